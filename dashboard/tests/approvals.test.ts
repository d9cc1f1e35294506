import assert from "node:assert/strict";
import { test } from "node:test";
import type { Listed } from "../src/api/approvals.ts";
import { heardDate, heardTime, offsetMs } from "../src/api/clock.ts";
import { eventOf } from "../src/api/events.ts";
import { Calls } from "../src/views/approvals/calls.ts";
import { differences, hunks } from "../src/views/approvals/diff.ts";
import { leftText, nextRows, runOf, runsOf, stepFrom } from "../src/views/approvals/rows.ts";

const call = (id: string, more: Partial<Listed> = {}): Listed => ({
  id,
  tool: "bash",
  command: "",
  agent: "a",
  session: "",
  credential_owner: "key:1",
  message: "",
  status: "pending",
  run_id: "",
  created_at: "2026-01-01T00:00:00.000Z",
  expires_at: "2026-01-01T00:02:00.000Z",
  ...more,
});
const asked = (id: string) =>
  eventOf({ type: "approval.created", tool_name: "bash", data: { approval_id: id } });
const ended = (id: string, type = "approval.resolved") =>
  eventOf({ type, user_id: "maria", data: { approval_id: id, status: "denied" } });
const ids = (calls: Calls) => calls.waiting.map((each) => each.id);

test("what ended does not wait again, whatever arrives in which order", () => {
  const calls = new Calls();
  calls.reading();
  calls.told([ended("1"), asked("3"), ended("4", "approval.expired")]);
  calls.listed([call("1"), call("2")]); // read before 1 ended, and before 3 was asked for
  calls.told([asked("4"), asked("1")]);
  assert.deepEqual(ids(calls), ["2", "3"]);
  assert.equal(calls.outcome("1")?.by, "maria");
  calls.reading();
  calls.listed([call("3")]); // 2 ended while nobody listened
  assert.deepEqual(ids(calls), ["3"]);
});

test("however many end, as many are remembered as somebody may look at", () => {
  const calls = new Calls();
  calls.told(Array.from({ length: 5_000 }, (_, index) => ended(String(index))));
  assert.equal(calls.outcome("0"), undefined);
  assert.equal(calls.outcome("4999")?.status, "denied");
});

test("events of others change nothing", () => {
  const calls = new Calls();
  assert.equal(calls.told([eventOf({ type: "tool_call" })]), false);
  assert.equal(calls.told([eventOf({ type: "approval.created" })]), true); // no data: no fault
});

test("rows keep their places, and what is kept stays among them", () => {
  const rows = [call("1"), call("2"), call("3")];
  const next = nextRows(rows, [call("0"), call("3"), call("4")], (id) => id === "2");
  assert.deepEqual(
    next.map((each) => each.id),
    ["2", "3", "0", "4"],
  );
});

test("j and k go to what waits, and from nowhere to an end", () => {
  const rows = [call("1"), call("2"), call("3")];
  const waits = (id: string) => id !== "2";
  assert.equal(stepFrom(rows, waits, "1", 1), "3");
  assert.equal(stepFrom(rows, waits, "3", -1), "1");
  assert.equal(stepFrom(rows, waits, "3", 1), undefined);
  assert.equal(stepFrom(rows, waits, "gone", 1), "1");
  assert.equal(stepFrom(rows, waits, "gone", -1), "3");
});

test("a run is one agent's, session's and owner's", () => {
  const one = call("1", { run_id: "r", session: "ses_tocsin" });
  const others = [{ agent: "b" }, { session: "s" }, { credential_owner: "key:2" }, { run_id: "" }];
  const all = [one, ...others.map((more) => call("2", { run_id: "r", ...more }))];
  assert.equal(runsOf([...all, call("3", { run_id: "r" })]).get(runOf(one)), 2);
  assert.equal(runsOf(all).size, 4);
});

test("the time that is left reads as people say it", () => {
  assert.deepEqual([0, -1, Number.NaN, 0.2, 65, 3_599, 7_500, 90_000, 604_800].map(leftText), [
    "",
    "",
    "",
    "0:01",
    "1:05",
    "59:59",
    "2 h 05 min",
    "1 d 1 h",
    "7 d 0 h",
  ]);
});

test("Tocsin's clock is followed only as far as what it says demands", () => {
  heardDate("Thu, 01 Jan 2026 00:00:00 GMT", Date.UTC(2026), Date.UTC(2026) + 20);
  assert.equal(offsetMs(), 0);
  heardTime(180_000, 181_000, 0, 100); // three minutes ahead of this machine
  assert.equal(offsetMs(), 179_900);
  heardTime(5_000, Number.POSITIVE_INFINITY, 0, 0); // at least: no news
  assert.equal(offsetMs(), 179_900);
  heardTime(0, 60_000, 0, 0); // the machine's clock was set
  assert.equal(offsetMs(), 60_000);
  heardDate(null, 0, 0);
  heardTime(Number.NaN, Number.NaN, 0, 0);
  assert.equal(offsetMs(), 60_000);
});

const said = (before: string, after: string) =>
  differences(before, after).map(
    ({ kind, text }) => `${{ same: " ", gone: "-", new: "+" }[kind]}${text}`,
  );

test("lines that differ are found between those that do not", () => {
  assert.deepEqual(said("a\nb\nc\nd", "a\nx\nc\ne\nd"), [" a", "-b", "+x", " c", "+e", " d"]);
  assert.deepEqual(said("a", "a"), [" a"]);
  assert.deepEqual(said("", "a"), ["-", "+a"]);
  assert.deepEqual(said("a\na\na", "a\na"), [" a", " a", "-a"]);
});

test("of a changed line the part that is not in the other is told, in whole characters", () => {
  const parts = (before: string, after: string) =>
    differences(before, after).map(({ text, from, to }) => text.slice(from, to));
  assert.deepEqual(parts("rm -rf /tmp/a", "rm -rf /a"), ["tmp/", ""]);
  assert.deepEqual(parts("x👍y", "x👎y"), ["👍", "👎"]);
});

test("both texts can be had back from their differences, also from large ones", () => {
  const texts = [
    "a\nb\nc",
    "",
    Array.from({ length: 30_000 }, (_, index) => `${index % 7}`).join("\n"),
    Array.from({ length: 20_000 }, (_, index) => `${index % 5}`).join("\n"),
  ];
  for (const before of texts) {
    for (const after of texts) {
      const lines = differences(before, after);
      const side = (without: string) =>
        lines
          .filter(({ kind }) => kind !== without)
          .map(({ text }) => text)
          .join("\n");
      assert.ok(side("new") === before && side("gone") === after);
    }
  }
});

test("what is the same is left out but around what differs", () => {
  const many = Array.from({ length: 100 }, (_, index) => String(index));
  const found = hunks(differences(many.join("\n"), many.with(50, "x").join("\n")), 2);
  assert.deepEqual(
    found.map((each) => (typeof each === "number" ? each : each.text)),
    [48, "48", "49", "50", "x", "51", "52", 47],
  );
});

import assert from "node:assert/strict";
import { test } from "node:test";
import type { LoggedEvent } from "../src/api/events.ts";
import { Counts, MAX_MINUTES, minuteOf, places, receivedMs } from "../src/live/counts.ts";

const DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";
const START = Date.parse("2026-03-19T10:00:00Z");
const MINUTE = START / 60_000;

/** An event that was received at a time; `more` are fields of it. */
function event(ms: number, more: Partial<LoggedEvent> & { backfill?: unknown } = {}): LoggedEvent {
  let time = "";
  for (let rest = ms; time.length < 10; rest = Math.floor(rest / 32)) {
    time = DIGITS[rest % 32] + time;
  }
  const none = { seq: 0, type: "tool_call", agent: "", session: "", server: "", model: "" };
  return {
    ...none,
    id: `evt_${time}00000000000000zz`,
    at: "",
    action: "allow",
    tool: "",
    trace: "",
    text: JSON.stringify({ backfill: more.backfill }),
    ...more,
  };
}

test("an event is counted in the minute of its receipt, whatever its sender's clock says", () => {
  const counts = new Counts();
  counts.add(event(START, { tool: "a", at: "1999-01-01T00:00:00Z" }));
  counts.add(event(START + 59_999, { tool: "a", at: "2099-01-01T00:00:00Z" }));
  counts.add(event(START + 60_000, { tool: "a" }));
  const { rows, minutes } = counts.read("tool", MINUTE - 1, MINUTE + 1, 8);
  assert.deepEqual(minutes, [MINUTE - 1, MINUTE, MINUTE + 1]);
  assert.deepEqual(rows, [{ name: "a", total: 3, counts: [0, 2, 1] }]);
});

test("an id says when its event was received", () => {
  assert.equal(
    receivedMs({ ...event(0), id: "evt_01m8fc5t01r4whyvfandr9bq01" }),
    Date.parse("2026-11-27T20:46:59.585Z"),
  );
});

test("an import is counted at its timestamp, and never later than it was received", () => {
  const at = "2026-03-19T09:30:30.000Z";
  assert.equal(minuteOf(event(START, { at, backfill: true })), MINUTE - 30);
  assert.equal(minuteOf(event(START, { at: "2099-01-01T00:00:00Z", backfill: true })), MINUTE);
  assert.equal(minuteOf(event(START, { at: "no time", backfill: true })), MINUTE);
  // What a sender wrote into a field of its own makes no import of it.
  const claimed = JSON.stringify({ metadata: { backfill: true } });
  assert.equal(minuteOf(event(START, { at, text: claimed })), MINUTE);
});

test("of 10,000 tools the most called are shown, and no event is lost", () => {
  const counts = new Counts();
  for (let n = 0; n < 30_000; n++) {
    counts.add(event(START + n, { tool: n % 10 === 0 ? "busy" : `tool-${n % 10_000}` }));
  }
  const { rows, other, total } = counts.read("tool", MINUTE, MINUTE, 8);
  assert.equal(rows.length, 8);
  assert.deepEqual(rows[0], { name: "busy", total: 3_000, counts: [3_000] });
  assert.equal(total, 30_000);
  assert.equal(
    rows.reduce((sum, row) => sum + row.total, other.total),
    30_000,
  );
});

test("a million events with as many names leave a bounded number behind", () => {
  const counts = new Counts();
  for (let n = 0; n < 1_000_000; n++) {
    counts.add(event(START + n * 60, { tool: `tool-${n}`, action: `action-${n % 7}` }));
  }
  // 1,000 minutes went by, of which the last 360 are kept.
  assert.ok(counts.size <= MAX_MINUTES * (400 + 7), `${counts.size} names`);
  const first = counts.newest - MAX_MINUTES + 1;
  const { total, rows } = counts.read("action", first - 100, counts.newest, 8);
  assert.equal(rows.length, 7);
  assert.ok(total > 358_000 && total <= 360_000, `${total} events`);
  counts.add(event(START)); // as old as none that is counted
  assert.equal(counts.read("tool", MINUTE, MINUTE, 8).total, 0);
});

test("names that no object may have are names like others", () => {
  const counts = new Counts();
  for (const tool of ["__proto__", "constructor", "", "toString"])
    counts.add(event(START, { tool }));
  const names = counts.read("tool", MINUTE, MINUTE, 8).rows.map((row) => row.name);
  assert.deepEqual(names, ["", "__proto__", "constructor", "toString"]);
});

test("a name keeps its place, and gives it up only where there is no free one", () => {
  assert.deepEqual(places(["allow", "deny"], ["ask", "allow"], 3), ["allow", "deny", "ask"]);
  assert.deepEqual(places(["a", "b", "c"], ["c", "d"], 3), ["d", "b", "c"]);
  assert.deepEqual(places([], ["", "a"], 8), ["", "a"]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { signal } from "@preact/signals";
import { eventOf, type Fields, type LoggedEvent, matches } from "../src/api/events.ts";
import { actionOf, Calls, reportsOf } from "../src/live/calls.ts";
import type { Listener, Log } from "../src/live/log.ts";
import { callsOf } from "../src/ui/moment.ts";
import { Rows } from "../src/views/feed/rows.ts";

const ID = "toolu_01A09q90qw90lq917835lq9";
const START = Date.parse("2026-03-01T10:00:00Z");
const report = (seq: number, more: Fields = {}, seconds = seq) => {
  const at = new Date(START + seconds * 1_000).toISOString();
  return eventOf({
    seq,
    id: `e${seq}`,
    type: "tool_call",
    received_at: at,
    timestamp: at,
    agent_id: "a",
    session_id: "s",
    tool_call_id: ID,
    ...more,
  });
};
const sizes = (...events: LoggedEvent[]) => {
  const calls = new Calls<LoggedEvent>();
  const all = new Set(events.map((event) => calls.take(event).call));
  return [...all].map((call) => call.reports.length);
};

test("reports belong together as the projections say", () => {
  assert.deepEqual(sizes(report(1), report(2, { agent_id: "b" })), [2]);
  assert.deepEqual(sizes(report(1), report(2, {}, 601)), [2]);
  assert.deepEqual(sizes(report(1), report(2, {}, 602)), [1, 1]);
  // The tenth minute counts from the first, whichever comes first.
  assert.deepEqual(sizes(report(3, {}, 900), report(2, {}, 500), report(1, {}, 100)), [2, 1]);
  assert.deepEqual(sizes(report(1), report(100_001, {}, 2)), [2]);
  assert.deepEqual(sizes(report(1), report(100_002, {}, 2)), [1, 1]);
  const short = { tool_call_id: "call_1" };
  assert.deepEqual(sizes(report(1, short), report(2, short)), [2]);
  assert.deepEqual(sizes(report(1, short), report(2, { ...short, session_id: "t" })), [1, 1]);
  const many = "😀".repeat(8); // sixteen code units, eight characters
  const odd = (agent_id: string) => ({ tool_call_id: many, agent_id });
  assert.deepEqual(sizes(report(1, odd("a")), report(2, odd("b"))), [1, 1]);
  const model = (seq: number) =>
    report(seq, { tool_call_id: undefined, metadata: { response_id: ID } });
  assert.deepEqual(sizes(model(1), model(2), report(3)), [2, 1]);
  const none = { tool_call_id: null };
  assert.deepEqual(sizes(report(1, none), report(2, none)), [1, 1]);
  assert.deepEqual(sizes(report(1), report(2, { source: "tocsin", type: "anomaly" })), [1, 1]);
});

test("an id that comes back for ever costs a bounded number of calls", () => {
  const events = Array.from({ length: 200 }, (_, at) => report(at, {}, at * 1_000));
  assert.equal(sizes(...events).length, 200);
});

test("what is shown of a call is the gravest, and who told of it", () => {
  assert.equal(actionOf([{ action: "log" }, { action: "allow" }, { action: "deny" }]), "deny");
  assert.equal(actionOf([{ action: "log" }, { action: "allow" }]), "allow");
  assert.equal(actionOf([{ action: "log" }]), "log");
  assert.equal(reportsOf(1, ["otlp"]), "");
  assert.equal(reportsOf(3, ["otlp", "", "claude-code", "otlp"]), "3 reports: otlp, claude-code");
  const [one] = callsOf([
    report(2, { status: "error", latency_ms: 9, metadata: { via: "otlp" } }),
    report(1, { request: "ls", metadata: { via: "hook" } }),
  ]);
  const shown = [one?.id, one?.outcome, one?.note, one?.latencyMs, one?.ways, one?.seqs];
  assert.deepEqual(shown, ["e1", "failed", "ls", 9, ["hook", "otlp"], [1, 2]]);
});

test("a call can be filtered for", () => {
  assert.ok(matches(report(1), { call: ID }));
  assert.ok(!matches(report(1, { tool_call_id: "other" }), { call: ID }));
});

const feed = (before: LoggedEvent[]) => {
  let tell: Listener = () => undefined;
  const log = {
    epoch: 0,
    events: before,
    head: signal(before.at(-1)?.seq ?? 0),
    firstKept: signal(before[0]?.seq ?? 1),
    listen: (listener: Listener) => {
      tell = listener;
      return () => undefined;
    },
  };
  const rows = new Rows(log as unknown as Log);
  rows.start();
  rows.show({ filter: {}, search: "", around: undefined });
  return { rows, says: (...events: LoggedEvent[]) => tell(events) };
};
const drawn = (rows: Rows) =>
  Array.from({ length: rows.count }, (_, at) => rows.at(at)?.reports.map((each) => each.seq));
const other = (seq: number) => report(seq, { tool_call_id: undefined });

test("a call's row stays where its first report was shown, and no row moves for a later one", () => {
  const { rows, says } = feed([other(1), report(2), other(3)]);
  assert.deepEqual(drawn(rows), [[3], [2], [1]]);
  says(report(4));
  assert.deepEqual(drawn(rows), [[3], [2, 4], [1]]);
  assert.deepEqual([rows.indexOf("e4"), rows.indexOfSeq(4), rows.indexOf("e2")], [1, 1, 1]);
  says(report(4), other(5)); // and what the stream repeats is there once
  assert.deepEqual(drawn(rows), [[5], [3], [2, 4], [1]]);
  assert.deepEqual([rows.count, rows.events], [4, 5]);
});

test("while rows are held nothing of them changes", () => {
  const { rows, says } = feed([report(1), other(2)]);
  rows.hold();
  says(report(3), other(4));
  assert.deepEqual([drawn(rows), rows.waiting.value], [[[2], [1]], 2]);
});

test("older reports that are read join the row that is there", async () => {
  Object.assign(globalThis, {
    location: { origin: "http://x" },
    fetch: async () => new Response(JSON.stringify([report(3), other(2)].map(fieldsOf))),
  });
  const { rows } = feed([]);
  const fresh = new Rows({
    epoch: 0,
    events: [report(4), other(5)],
    head: signal(5),
    firstKept: signal(1),
    listen: () => () => undefined,
  } as unknown as Log);
  fresh.show({ filter: {}, search: "", around: undefined });
  while (fresh.loading.peek()) await new Promise(setImmediate);
  assert.deepEqual(drawn(fresh), [[5], [4, 3], [2]]);
  assert.equal(rows.count, 0);
});

const fieldsOf = (event: LoggedEvent) => JSON.parse(event.text) as Fields;

import assert from "node:assert/strict";
import { test } from "node:test";
import { eventOf } from "../src/api/events.ts";
import { type Moment, momentOf } from "../src/ui/moment.ts";
import { COLUMNS, stripOf } from "../src/views/sessions/strip.ts";

const START = Date.parse("2026-03-01T10:00:00Z");
const HOUR = 3_600_000;
let seq = 0;

const moment = (afterMs: number, what = "search", more: Partial<Moment> = {}): Moment => ({
  ...momentOf(eventOf({ seq: ++seq, tool_name: what, type: "tool_call" })),
  atMs: START + afterMs,
  ...more,
});
const every = (ms: number, count: number, fromMs = 0, what = "search") =>
  Array.from({ length: count }, (_, index) => moment(fromMs + index * ms, what));

test("time runs from the first event to the last, whatever their order", () => {
  const strip = stripOf(every(1_000, 100).reverse());
  const columns = strip.lanes[0]?.marks.map((mark) => mark.column) ?? [];
  assert.equal(Math.min(...columns), 0);
  assert.equal(Math.max(...columns), COLUMNS - 1);
  assert.deepEqual(strip.pauses, []);
});

test("an event of a clock that was wrong takes a pause's place, not everybody's", () => {
  const strip = stripOf([...every(1_000, 600), moment(-60 * 24 * HOUR)]);
  const used = new Set(strip.lanes[0]?.marks.map((mark) => mark.column));
  assert.ok(used.size > 200, `${used.size} columns`);
  assert.equal(strip.pauses.length, 1);
});

test("a night's pause is cut out, named, and nothing stands in it", () => {
  const strip = stripOf([...every(1_000, 300), ...every(1_000, 300, 12 * HOUR)]);
  const [pause] = strip.pauses;
  assert.ok(pause);
  assert.equal(pause.ms, 12 * HOUR - 299_000);
  for (const { column } of strip.lanes[0]?.marks ?? []) {
    assert.ok(column < pause.from || column >= pause.to, `${column} in the pause`);
  }
});

test("ten thousand tools share a lane; those called most have one, and anomalies", () => {
  const moments = [
    ...every(1, 10_000).map((each, index) => ({ ...each, what: `tool-${index}` })),
    ...every(500, 20, 0, "often"),
    moment(5_000, "anomaly", { outcome: "anomaly" }),
  ];
  const { lanes, others } = stripOf(moments);
  assert.equal(lanes[0]?.name, "anomaly");
  assert.equal(lanes[1]?.name, "often");
  assert.equal(lanes.length, 8);
  assert.equal(others, 10_002 - 7);
  assert.equal(
    lanes.reduce((sum, lane) => sum + lane.count, 0),
    moments.length,
  );
});

test("tools are told apart whatever they are called", () => {
  const names = ["__proto__", "constructor", "\u202e", "<b>"];
  const { lanes } = stripOf(names.map((name, index) => moment(index, name)));
  assert.deepEqual(lanes.map((lane) => lane.name).sort(), [...names].sort());
});

test("nothing, one event, and events of one moment can be drawn", () => {
  assert.deepEqual(stripOf([]).lanes, []);
  for (const moments of [[moment(0)], [moment(0), moment(0)]]) {
    assert.deepEqual(stripOf(moments).lanes[0]?.marks[0]?.count, moments.length);
  }
});

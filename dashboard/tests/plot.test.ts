import assert from "node:assert/strict";
import { test } from "node:test";
import { levels, marked, path, stacked } from "../src/ui/plot.ts";

test("a series stands on the one before it, and what is not known is nothing", () => {
  assert.deepEqual(
    stacked(
      [
        [1, null, 3],
        [2, 2],
      ],
      3,
    ),
    [
      [
        [0, 1],
        [0, 0],
        [0, 3],
      ],
      [
        [1, 3],
        [0, 2],
        [3, 3],
      ],
    ],
  );
});

test("nothing is drawn where there is nothing, and a bar is as high as its value", () => {
  assert.equal(path([[0, 0]], 10, 2), "");
  assert.equal(path([[5, 5]], 10, 2), "");
  const [, height] = /^M[\d.]+ ([\d.]+)h8\.60V([\d.]+)h-8\.60z$/.exec(path([[0, 7]], 10, 2)) ?? [];
  assert.equal(height, "212.00");
  assert.match(path([[0, 7]], 10, 2), /V198\.00h/);
  assert.equal(path([[0, 7]], 1_000, 2).includes("h96.00"), true); // a few bars are no walls
});

test("an axis has round values, the highest bar has room, and events have no halves", () => {
  for (const most of [0, 0.004, 0.9, 1, 2, 3, 7, 10, 42, 99, 1_234, 5e6, 1e12]) {
    for (const wholes of [false, true]) {
      const { top, ticks } = levels(most, wholes);
      assert.ok(top > most);
      assert.ok(ticks.length >= 1 && ticks.length <= 8, `${most}: ${ticks}`);
      assert.equal(ticks[0], 0);
      assert.ok(ticks.every((tick) => tick <= top));
      if (most >= 1) assert.ok(ticks.length >= 2, `${most}: ${ticks}`);
      if (wholes) assert.ok(ticks.every(Number.isInteger), `${most}: ${ticks}`);
    }
  }
  assert.deepEqual(levels(1, true).ticks, [0, 1]);
  assert.deepEqual(levels(10, true).ticks, [0, 2.5, 5, 7.5, 10].filter(Number.isInteger));
});

test("times are written where clocks are round, and not closer than they can be read", () => {
  const start = Date.parse("2026-03-19T10:03:00Z") / 1_000;
  const minutes = Array.from({ length: 60 }, (_, index) => start + index * 60);
  const at = (index: number) => new Date((minutes[index] ?? 0) * 1_000).toISOString().slice(11, 16);
  assert.deepEqual(marked(minutes, 60, 15, 0).map(at).slice(0, 3), ["10:05", "10:10", "10:15"]);
  assert.deepEqual(marked(minutes, 60, 3, 0).map(at), ["10:30", "11:00"]);
  // Half an hour ahead of UTC, the whole hours that people read are halves.
  assert.deepEqual(marked(minutes, 60, 1.5, 19_800).map(at), ["10:30"]);
  const days = Array.from({ length: 90 }, (_, index) => (20_000 + index) * 86_400);
  assert.equal(marked(days, 86_400, 100, 19_800).length, 90);
  assert.equal(marked(days, 86_400, 12, 0).length, 9);
});

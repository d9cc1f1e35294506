import assert from "node:assert/strict";
import { test } from "node:test";
import { eventOf } from "../src/api/events.ts";
import { causalTree, type Node } from "../src/views/feed/trace.ts";

type Shape = [string, Shape[]];

const shape = (nodes: Node[]): Shape[] =>
  nodes.map((node) => [node.event.id, shape(node.children)]);
const event = (id: string, more: Record<string, unknown> = {}) => eventOf({ id, ...more });

test("an event stands under the one that its parent_id names, by any of its names", () => {
  const events = [
    event("e1", { span_id: "s1" }),
    event("e2", { parent_id: "s1", source_id: "mine" }),
    event("e3", { parent_id: "mine" }),
    event("e4", { parent_id: "e1" }),
    event("e5", { parent_id: "elsewhere" }),
  ];
  assert.deepEqual(shape(causalTree(events)), [
    [
      "e1",
      [
        ["e2", [["e3", []]]],
        ["e4", []],
      ],
    ],
    ["e5", []],
  ]);
});

test("a child that comes before its parent stands under it all the same", () => {
  const events = [event("e1", { parent_id: "s2" }), event("e2", { span_id: "s2" })];
  assert.deepEqual(shape(causalTree(events)), [["e2", [["e1", []]]]]);
});

test("nothing is lost in a circle, and nothing goes round in it", () => {
  const events = [
    event("e1", { parent_id: "e3" }),
    event("e2", { parent_id: "e1" }),
    event("e3", { parent_id: "e2" }),
    event("e4", { parent_id: "e4" }),
  ];
  assert.deepEqual(shape(causalTree(events)), [
    ["e3", [["e1", [["e2", []]]]]],
    ["e4", []],
  ]);
});

test("a parent_id that is no text names nobody", () => {
  assert.deepEqual(shape(causalTree([event("e1", { parent_id: 7 }), event("7")])), [
    ["e1", []],
    ["7", []],
  ]);
});

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Chain, genesis } from "../src/verify/chain.ts";
import { judge } from "../src/verify/checkpoints.ts";
import { Tree } from "../src/verify/merkle.ts";
import { parseKeys } from "../src/verify/verifiers.ts";

// What Python computes: tests/unit/wire/test_entries.py. The leaf alone is left of seq 3.
const LINES = readFileSync(new URL("chain.jsonl", import.meta.url), "latin1").split(/(?<=\n)/);
const HASHES = LINES.map((line) => /"hash":"([0-9a-f]{64})"/.exec(line)?.[1] ?? "");
const ZEROS = "0".repeat(64);

const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const anew = () => new Chain(0, genesis("acme"));

function taken(chain: Chain, lines: string[]): Chain {
  chain.take(bytes(lines.join("")));
  return chain;
}

/** The examples, with one line of them changed. */
function changed(seq: number, change: (line: string) => string): string[] {
  return LINES.map((line, index) => (index === seq - 1 ? change(line) : line));
}

function swapped(line: string, name: string, value: string): string {
  return line.replace(new RegExp(`"${name}":"[0-9a-f]{64}"`), `"${name}":"${value}"`);
}

test("what Python sealed holds, and what stood there is counted", () => {
  const chain = taken(anew(), LINES);
  assert.equal(chain.fault, undefined);
  assert.deepEqual([chain.seq, chain.events, chain.leaves], [5, 5, 1]);
  assert.equal(chain.hash, HASHES[4]);
  assert.equal(chain.bytes, LINES.join("").length);
  assert.equal(chain.cutOff(), false);
});

test("bytes come in any pieces", () => {
  for (const size of [1, 7, 64, 200, 333]) {
    const chain = anew();
    const all = bytes(LINES.join(""));
    for (let at = 0; at < all.length; at += size) chain.take(all.slice(at, at + size));
    assert.deepEqual([chain.fault, chain.seq, chain.hash], [undefined, 5, HASHES[4]], `${size}`);
  }
});

test("a line that was begun is no event, and is asked for again", () => {
  for (const left of [1, 50, 300]) {
    const chain = taken(anew(), [LINES.join("").slice(0, -left)]);
    assert.equal(chain.cutOff(), true);
    assert.equal(chain.fault, undefined);
    const rest = LINES.slice(chain.seq);
    assert.equal(taken(chain, rest).hash, HASHES[4]);
  }
});

test("it goes on where it was, and from the middle with what the first line says", () => {
  const first = taken(anew(), LINES.slice(0, 2));
  const on = taken(new Chain(first.seq, first.hash), LINES.slice(2));
  assert.deepEqual([on.fault, on.seq, on.events], [undefined, 5, 3]);
  const middle = taken(new Chain(3, ""), LINES.slice(3));
  assert.deepEqual([middle.fault, middle.before, middle.hash], [undefined, HASHES[2], HASHES[4]]);
  const other = taken(new Chain(2, ZEROS), LINES.slice(2));
  assert.equal(other.fault?.kind, "unlinked");
});

test("each kind of change has its name, and the first bad seq", () => {
  const cases: [string, string[], string, number][] = [
    [
      "a byte of an event",
      changed(2, (line) => line.replace("tool_name", "tool_nane")),
      "changed",
      2,
    ],
    ["an event's last byte", changed(4, (line) => line.replace("{}}", "{ }")), "changed", 4],
    ["a leaf", changed(3, (line) => swapped(line, "leaf", ZEROS)), "changed", 3],
    ["a hash", changed(2, (line) => swapped(line, "hash", ZEROS)), "changed", 2],
    ["the hash before", changed(2, (line) => swapped(line, "prev_hash", ZEROS)), "unlinked", 2],
    ["the first hash", changed(1, (line) => swapped(line, "prev_hash", ZEROS)), "unlinked", 1],
    ["one removed", [...LINES.slice(0, 1), ...LINES.slice(2)], "gap", 2],
    [
      "one removed and the rest numbered anew",
      [LINES[0] ?? "", (LINES[2] ?? "").replace('"seq":3', '"seq":2')],
      "unlinked",
      2,
    ],
    ["two swapped", [LINES[1] ?? "", LINES[0] ?? ""], "gap", 1],
    ["one doubled", [...LINES.slice(0, 2), ...LINES.slice(1)], "repeated", 3],
    [
      "one inserted",
      changed(2, (line) => line + line.replace('"seq":2', '"seq":3')),
      "unlinked",
      3,
    ],
    ["another seq", changed(2, (line) => line.replace('"seq":2', '"seq":02')), "unreadable", 2],
    ["an empty line", changed(2, (line) => `\n${line}`), "unreadable", 2],
    ["a page of a proxy", ["<html>\n"], "unreadable", 1],
    ["more after an event", changed(2, (line) => line.replace("}\n", "},1\n")), "unreadable", 2],
    ["a line without end", ["x".repeat(1024 * 1024 + 1)], "unreadable", 1],
  ];
  for (const [what, lines, kind, seq] of cases) {
    const { fault, seq: last } = taken(anew(), lines);
    assert.deepEqual([fault?.kind, fault?.seq], [kind, seq], what);
    assert.equal(last, seq - 1, what);
  }
});

test("nothing is taken once there is a fault", () => {
  const chain = taken(anew(), LINES.slice(1));
  taken(chain, LINES);
  assert.deepEqual([chain.seq, chain.events, chain.fault?.kind], [0, 0, "gap"]);
});

test("a chain that was computed anew is found by what was noted of it, there and before it", () => {
  const note = (seq: number, hash: string) => ({ seq, hash });
  const good = [note(2, HASHES[1] ?? ""), note(5, HASHES[4] ?? "")];
  assert.equal(taken(new Chain(0, genesis("acme"), good), LINES).fault, undefined);
  const bad = [...good, note(2, ZEROS)];
  const { fault } = taken(new Chain(0, genesis("acme"), bad), LINES);
  assert.deepEqual([fault?.kind, fault?.seq, fault?.note], ["other", 2, bad[2]]);
  const before = taken(new Chain(2, "", [note(2, ZEROS)]), LINES.slice(2));
  assert.deepEqual([before.fault?.kind, before.events], ["other", 0]);
  assert.equal(taken(new Chain(0, genesis("beta")), LINES).fault?.kind, "unlinked");
});

const { notes: NOTES, key: KEY } = JSON.parse(
  readFileSync(new URL("signed.json", import.meta.url), "utf8"),
) as { notes: Record<string, string>; key: string };

const points = (...sizes: number[]) =>
  Promise.all(sizes.map((size) => judge(NOTES[size] ?? "", true, "acme", parseKeys(KEY, "acme"))));

test("the tree goes through what Python signed, in one run or in several", async () => {
  const all = await points(3, 4, 5);
  const whole = taken(new Chain(0, genesis("acme"), [], new Tree(), all), LINES);
  assert.equal(whole.fault, undefined);
  assert.deepEqual(
    whole.points.map(({ holds }) => holds),
    [true, true, true],
  );
  const first = taken(
    new Chain(0, genesis("acme"), [], new Tree(), await points(5)),
    LINES.slice(0, 3),
  );
  assert.deepEqual(
    first.points.map(({ holds }) => holds),
    [false],
  );
  // One that is of just these events is held against at once.
  const tree = new Tree(first.seq, first.tree?.peaks);
  const on = new Chain(first.seq, first.hash, [], tree, await points(3, 5));
  assert.deepEqual(
    on.points.map(({ holds }) => holds),
    [true, false],
  );
  assert.deepEqual(
    taken(on, LINES.slice(3)).points.map(({ holds }) => holds),
    [true, true],
  );
  // From the middle on there is no tree: nothing is said to hold, or not to.
  const middle = taken(new Chain(3, "", [], undefined, await points(4, 5)), LINES.slice(3));
  assert.deepEqual([middle.fault, middle.points.some(({ holds }) => holds)], [undefined, false]);
});

test("a ledger that is not what was signed is found, and between which checkpoints", async () => {
  const changed = async (size: number) => {
    const all = await points(3, 4, 5);
    const root = "ab".repeat(32);
    return all.map((point) => (point.size === size ? { ...point, root } : point));
  };
  for (const [size, seq] of [
    [3, 1],
    [4, 4],
    [5, 5],
  ] as const) {
    const chain = new Chain(0, genesis("acme"), [], new Tree(), await changed(size));
    const { fault } = taken(chain, LINES);
    assert.deepEqual([fault?.kind, fault?.seq, fault?.point?.size], ["rewritten", seq, size]);
    assert.equal(chain.seq, size, "nothing is taken after it");
  }
  // What nobody who is trusted has signed says nothing of the ledger.
  const refused = (await changed(4)).map((point) => ({ ...point, standing: "refused" as const }));
  const { fault, points: passed } = taken(
    new Chain(0, genesis("acme"), [], new Tree(), refused),
    LINES,
  );
  assert.deepEqual([fault, passed.some(({ holds }) => holds)], [undefined, false]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_NOTES, noteText, parseNotes, parseRange } from "../src/verify/notes.ts";

const HASH = "0123456789abcdef".repeat(4);

test("a note is read as it was copied, and as people paste it", () => {
  const note = { seq: 41_200, hash: HASH };
  const line = noteText("acme", note);
  for (const text of [line, ` ${line}\r\n`, `41200:${HASH}`, `41200:${HASH.toUpperCase()}`]) {
    assert.deepEqual(parseNotes(text, "acme"), [note], text);
  }
  assert.deepEqual(parseNotes(`${line}\n\n${line},${line}`, "acme").length, 3);
  assert.deepEqual(parseNotes(" \n", "acme"), []);
});

test("what is no note is refused with what to do", () => {
  for (const text of [
    HASH,
    `0:${HASH}`,
    `-1:${HASH}`,
    `1e3:${HASH}`,
    `9999999999999999:${HASH}`,
    `7:${HASH}0`,
    `7:${HASH.slice(1)}`,
    `7:${HASH} and`,
    "\u202e😀",
  ]) {
    assert.throws(() => parseNotes(text, "acme"), /paste the whole line/, text);
  }
  assert.throws(() => parseNotes(`beta:7:${HASH}`, "acme"), /switch to beta/);
  assert.throws(() => parseNotes(`7:${HASH}\n`.repeat(MAX_NOTES + 1), "acme"), /20 notes/);
});

test("a range is what people write", () => {
  assert.deepEqual(parseRange("", ""), { from: 1, to: undefined });
  assert.deepEqual(parseRange("1,200", " 3 400 "), { from: 1_200, to: 3_400 });
  assert.deepEqual(parseRange("7", "7"), { from: 7, to: 7 });
  for (const [from, to] of [
    ["0", ""],
    ["-1", ""],
    ["1.5", ""],
    ["1e3", ""],
    ["x", ""],
    ["9007199254740992", ""],
    ["", "0x10"],
  ] as const) {
    assert.throws(() => parseRange(from, to), /whole number/, `${from} ${to}`);
  }
  assert.throws(() => parseRange("8", "7"), /swap them/);
});

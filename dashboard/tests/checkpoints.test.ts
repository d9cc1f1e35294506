import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  judge,
  MAX_CHECKPOINTS,
  parseCheckpoint,
  parseGiven,
  rootText,
  type Standing,
} from "../src/verify/checkpoints.ts";
import { canVerify, MAX_KEYS, parseKeys, Verifier } from "../src/verify/verifiers.ts";

// What Python signs, of chain.jsonl: with the keys of the seeds 00 01 … 1f, and of zeros (a stranger).
const SIGNED = JSON.parse(readFileSync(new URL("signed.json", import.meta.url), "utf8")) as {
  key: string;
  timed: string;
  stranger: string;
  mlDsa: string;
  notes: Record<string, string>;
  plain: string;
  byStranger: string;
};
const NOTE = SIGNED.notes["5"] ?? "";
const ORIGIN = "tocsin/7c1f0a52d0e8b936/acme";
const AT = 1_764_320_400;

const keys = (...texts: string[]) => texts.map((text) => Verifier.read(text));

test("a checkpoint is what Python wrote", () => {
  const { origin, size, root, signatures } = parseCheckpoint(NOTE);
  assert.deepEqual([origin, size], [ORIGIN, 5]);
  assert.equal(rootText(root), NOTE.split("\n")[2]);
  assert.deepEqual(
    signatures.map(({ name, id }) => `${name}+${id}`),
    [SIGNED.key, SIGNED.timed].map((key) => key.split("+").slice(0, 2).join("+")),
  );
});

test("what is no checkpoint is refused", () => {
  const [origin = "", size = "", root = "", , first = "", second = ""] = NOTE.split("\n");
  const made = (lines: string[], signatures = [first]) =>
    `${lines.join("\n")}\n\n${signatures.join("\n")}\n`;
  assert.equal(parseCheckpoint(made([origin, size, root, "and more"])).size, 5);
  const cases: [string, string][] = [
    ["nothing", ""],
    ["no signature", `${origin}\n${size}\n${root}\n\n`],
    ["no empty line", `${origin}\n${size}\n${root}\n${first}\n`],
    ["its end is cut", NOTE.slice(0, -1)],
    ["ends of lines of Windows", NOTE.replaceAll("\n", "\r\n")],
    ["a tab", made([`${origin}\t`, size, root])],
    ["two lines", made([origin, size])],
    ["no origin", made(["", size, root])],
    ["an empty line within", made([origin, size, root, "", "more"])],
    ["a leading zero", made([origin, "05", root])],
    ["a sign", made([origin, "+5", root])],
    ["a fraction", made([origin, "5.0", root])],
    ["an exponent", made([origin, "5e0", root])],
    ["other digits", made([origin, "\u0665", root])],
    ["more than there can be", made([origin, "9223372036854775808", root])],
    ["more than a browser counts to", made([origin, "9007199254740992", root])],
    ["a root that is cut", made([origin, size, root.slice(4)])],
    ["a root without padding", made([origin, size, root.slice(0, -1)])],
    ["a root with other last bits", made([origin, size, root.replace(/.=$/, "5=")])],
    ["a root with a space", made([origin, size, ` ${root}`])],
    ["a hyphen for the dash", made([origin, size, root], [first.replace("—", "-")])],
    ["two spaces", made([origin, size, root], [first.replace(" ", "  ")])],
    ["a key's id alone", made([origin, size, root], [`— ${ORIGIN} Puu/lA==`])],
    ["a space at the end", made([origin, size, root], [`${first} `])],
    ["too many signatures", made([origin, size, root], Array(101).fill(second) as string[])],
    ["too long", made([origin, size, root, "x".repeat(1_000_000)])],
  ];
  for (const [what, note] of cases) assert.throws(() => parseCheckpoint(note), Error, what);
});

test("several are read as people keep them, and those of another org are not", () => {
  const three = [SIGNED.notes["3"], SIGNED.notes["4"], NOTE].map(String);
  assert.deepEqual(parseGiven(three.join(""), "acme"), three);
  assert.deepEqual(parseGiven(`\n\n${three.join("\n\n")}\n\n`, "acme"), three);
  assert.deepEqual(parseGiven(three.join("").replaceAll("\n", "\r\n"), "acme"), three);
  assert.deepEqual(parseGiven(NOTE.trimEnd(), "acme"), [NOTE]);
  assert.deepEqual(parseGiven(" \n".trim(), "acme"), []);
  assert.throws(() => parseGiven(NOTE, "beta"), /is of tocsin.*acme.*beta/);
  assert.throws(() => parseGiven(NOTE, "cme"), /is of tocsin/, "a part of a name is no org");
  assert.throws(() => parseGiven(NOTE.repeat(MAX_CHECKPOINTS + 1), "acme"), /20 checkpoints/);
  assert.throws(() => parseGiven(NOTE.slice(NOTE.indexOf("—")), "acme"), Error);
  assert.throws(() => parseGiven(`${NOTE}and`, "acme"), Error);
  assert.throws(() => parseGiven("x".repeat(65 * 1024), "acme"), /64 KB/);
});

test("a key is what Python writes, and nothing like it", () => {
  const [key] = keys(SIGNED.key);
  assert.deepEqual([key?.name, key?.id, key?.type], [ORIGIN, SIGNED.key.split("+")[1], 1]);
  assert.equal(key?.both[1]?.id, SIGNED.timed.split("+")[1]);
  assert.equal(parseKeys(` ${SIGNED.key}\n\n${SIGNED.stranger} `, "acme").length, 2);
  assert.throws(() => parseKeys(SIGNED.timed, "acme"), /with a time/);
  assert.deepEqual(parseKeys(" \n", "acme"), []);
  for (const text of [
    SIGNED.key.slice(0, -1),
    SIGNED.key.replace("acme", "acmf"),
    SIGNED.key.replace("3eebbf94", "3EEBBF94"),
    SIGNED.key.replace("3eebbf94", "3eebbf95"),
    SIGNED.key.replace(/[A-Z]G4$/, "AG4"),
    SIGNED.key.slice(ORIGIN.length),
    `${SIGNED.key}+`,
    ORIGIN,
    "++",
  ]) {
    assert.throws(() => Verifier.read(text), Error, text);
  }
  assert.throws(() => Verifier.read(SIGNED.mlDsa), /ML-DSA-44/);
  assert.throws(() => parseKeys(SIGNED.key, "beta"), /is of tocsin/);
  assert.throws(() => parseKeys(`${SIGNED.key}\n`.repeat(MAX_KEYS + 1), "acme"), /10 keys/);
});

test("a checkpoint is worth what the keys say that somebody trusts", async () => {
  assert.equal(await canVerify(), true);
  const cases: [string, string, string[], Standing][] = [
    ["no key", NOTE, [], "unasked"],
    ["its key", NOTE, [SIGNED.key], "trusted"],
    ["its key with a time", NOTE, [SIGNED.timed], "trusted"],
    ["a key with a time, which has not signed", SIGNED.plain, [SIGNED.timed], "refused"],
    ["another key", NOTE, [SIGNED.stranger], "refused"],
    ["one of two", NOTE, [SIGNED.stranger, SIGNED.key], "trusted"],
    ["signed by another", SIGNED.byStranger, [SIGNED.key], "refused"],
    ["another size", NOTE.replace("\n5\n", "\n4\n"), [SIGNED.key], "refused"],
    ["a line more", NOTE.replace("\n\n", "\nmore\n\n"), [SIGNED.key], "refused"],
    ["another's signature under its name", forged(), [SIGNED.key], "refused"],
    ["a wrong one beside a right one", NOTE + line(forged()), [SIGNED.key], "refused"],
    ["a signature that is cut", cut(), [SIGNED.key], "refused"],
    ["no checkpoint", "<html>\n", [SIGNED.key], "refused"],
    ["no checkpoint, and no key", "<html>\n", [], "refused"],
  ];
  for (const [what, note, trusted, standing] of cases) {
    const point = await judge(note, false, "acme", keys(...trusted));
    assert.equal(point.standing, standing, what);
    assert.equal(point.why !== "", standing === "refused", what);
    assert.equal(point.holds, false, what);
  }
  assert.equal((await judge(NOTE, true, "acme", keys(SIGNED.key))).at, AT);
  assert.equal((await judge(SIGNED.plain, true, "acme", keys(SIGNED.key))).at, 0);
  const other = await judge(NOTE, false, "beta", keys(SIGNED.key));
  assert.deepEqual([other.standing, other.root], ["refused", ""]);
});

const line = (note: string) => `${note.trimEnd().split("\n").pop()}\n`;

/** The stranger's signature, under the name and id of the log's key. */
function forged(): string {
  const bytes = Buffer.from(line(SIGNED.byStranger).split(" ")[2] ?? "", "base64");
  bytes.set(Buffer.from(SIGNED.key.split("+")[1] ?? "", "hex"));
  return SIGNED.byStranger.replace(/(— \S+ ).*/, `$1${bytes.toString("base64")}`);
}

function cut(): string {
  const bytes = Buffer.from(line(SIGNED.plain).split(" ")[2] ?? "", "base64");
  return SIGNED.plain.replace(/(— \S+ ).*/, `$1${bytes.subarray(0, -1).toString("base64")}`);
}

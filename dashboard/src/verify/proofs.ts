/** A proof that an event is in a log, checked in this browser. See https://c2sp.org/tlog-proof. */

import { hexToBytes } from "@noble/hashes/utils.js";
import { judge, type Point, parseCheckpoint } from "./checkpoints.ts";
import { includes, leafOf } from "./merkle.ts";
import { fromBase64, fromUtf8, number } from "./texts.ts";
import type { Verifier } from "./verifiers.ts";

/** Of a file: an event of any size fits. */
export const MAX_PROOF_BYTES = 6 * 1024 * 1024;
const MAX_HASHES = 63;
const HASH_BYTES = 32;
const FIRST = "c2sp.org/tlog-proof@v1";
const EXTRA = "extra ";
const INDEX = "index ";

export interface Proof {
  /** The leaf's place in the tree, from 0. */
  index: number;
  /** From the leaf's sibling up. */
  hashes: Uint8Array[];
  checkpoint: string;
  /** The event as it was hashed; empty: it is not in the proof. */
  entry: Uint8Array;
}

/** Read a proof; nothing of it is verified. Throws Error: it is none. */
export function parseProof(bytes: Uint8Array): Proof {
  if (bytes.length > MAX_PROOF_BYTES) throw new Error("A proof has 6 MB at most.");
  const text = fromUtf8(bytes, "A proof");
  const gap = text.indexOf("\n\n");
  const [first, ...lines] = text.slice(0, Math.max(gap, 0)).split("\n");
  if (gap < 0 || first !== FIRST) throw new Error(`A proof begins with ${FIRST}.`);
  let entry = new Uint8Array();
  if (lines[0]?.startsWith(EXTRA)) {
    entry = fromBase64(lines.shift()?.slice(EXTRA.length) ?? "", "The event of a proof");
  }
  const at = lines.shift() ?? "";
  if (!at.startsWith(INDEX)) throw new Error("A proof has a line that says the index.");
  if (lines.length > MAX_HASHES) throw new Error(`A proof has ${MAX_HASHES} hashes at most.`);
  return {
    index: number(at.slice(INDEX.length), "A proof's index"),
    hashes: lines.map((line) => fromBase64(line, "A proof's hash", HASH_BYTES)),
    checkpoint: text.slice(gap + 2),
    entry,
  };
}

/** What a proof shows of an event: the tree it is in, and by how many hashes. */
export interface Shown {
  point: Point;
  hashes: number;
}

/**
 * Check that a proof shows the event of this seq and these fields, in a log of this org.
 *
 * Throws Error: it does not; says why.
 */
export async function checkProof(
  bytes: Uint8Array,
  event: { seq: number; fields: Record<string, unknown> },
  org: string,
  keys: readonly Verifier[],
): Promise<Shown> {
  const { index, hashes, checkpoint, entry } = parseProof(bytes);
  const { size, root } = parseCheckpoint(checkpoint);
  if (index !== event.seq - 1) throw new Error(`It is a proof of event ${index + 1}.`);
  if (entry.length === 0) {
    throw new Error("The event is older than the retention, so its proof has its place alone.");
  }
  if (!includes(leafOf(entry), index, size, hashes, hexToBytes(root))) {
    throw new Error("The event does not lead to the root of the checkpoint.");
  }
  const proved = JSON.parse(fromUtf8(entry, "An event")) as Record<string, unknown>;
  const other = Object.keys(proved).find((name) => !same(proved[name], event.fields[name]));
  if (other !== undefined) {
    throw new Error(`What is proved has another “${other}” than what this page was shown.`);
  }
  return { point: await judge(checkpoint, false, org, keys), hashes: hashes.length };
}

/** Whether two values of JSON are the same, in whatever order their fields are. */
function same(one: unknown, other: unknown): boolean {
  return ordered(one) === ordered(other);
}

function ordered(value: unknown): string {
  return (
    JSON.stringify(value, (_, each: unknown) =>
      each && typeof each === "object" && !Array.isArray(each)
        ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
        : each,
    ) ?? ""
  );
}

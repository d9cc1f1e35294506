/** Merkle trees of RFC 6962 (RFC 9162, section 2.1). Hashes are 32 bytes of SHA-256. */

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";

const HASH_BYTES = 32;

/** 01 ‖ left ‖ right: what a node's hash is of. It is used again and again. */
const JOINT = new Uint8Array(1 + 2 * HASH_BYTES).fill(1, 0, 1);

/** The hash of what two subtrees are together. */
export function join(left: Uint8Array, right: Uint8Array): Uint8Array {
  JOINT.set(left, 1);
  JOINT.set(right, 1 + HASH_BYTES);
  return sha256(JOINT);
}

/** The hash of an entry: SHA-256(00 ‖ entry). */
export function leafOf(entry: Uint8Array): Uint8Array {
  const joint = new Uint8Array(1 + entry.length);
  joint.set(entry, 1);
  return sha256(joint);
}

/** A tree as what it needs to grow: one hash for each bit of its size, 53 at most. */
export class Tree {
  size: number;
  /** Of the largest perfect subtrees, from left to right. */
  readonly #peaks: Uint8Array[];

  /** Begin with the `peaks` of a tree of this size, in hex. Throws Error: it has others. */
  constructor(size = 0, peaks = "") {
    this.size = size;
    const count = peaks.length / (2 * HASH_BYTES);
    if (count !== ones(size)) throw new Error(`A tree of ${size} has ${ones(size)} peaks.`);
    const bytes = hexToBytes(peaks);
    this.#peaks = Array.from({ length: count }, (_, at) =>
      bytes.slice(at * HASH_BYTES, (at + 1) * HASH_BYTES),
    );
  }

  /** Add a leaf: one hash, amortised. */
  grow(leaf: Uint8Array): void {
    let top = leaf;
    for (let rest = this.size; rest % 2 === 1; rest = (rest - 1) / 2) {
      top = join(this.#peaks.pop() ?? top, top);
    }
    this.#peaks.push(top);
    this.size++;
  }

  /** The root's hash. */
  get root(): Uint8Array {
    if (this.#peaks.length === 0) return sha256(new Uint8Array());
    return this.#peaks.reduceRight((right, left) => join(left, right));
  }

  /** What it goes on from, in hex. */
  get peaks(): string {
    return this.#peaks.map(bytesToHex).join("");
  }
}

/**
 * Whether `hashes`, from the leaf's sibling up, show that a leaf is at an index of the tree of this
 * size and root (section 2.1.3.2).
 */
export function includes(
  leaf: Uint8Array,
  index: number,
  size: number,
  hashes: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (index < 0 || index >= size) return false;
  let [place, last, top] = [index, size - 1, leaf];
  for (const sibling of hashes) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      top = join(sibling, top);
      while (place % 2 === 0 && place > 0) [place, last] = [half(place), half(last)];
    } else top = join(top, sibling);
    [place, last] = [half(place), half(last)];
  }
  return last === 0 && bytesToHex(top) === bytesToHex(root);
}

/** Sizes have more than the 32 bits that shifts know. */
const half = (value: number) => Math.floor(value / 2);

function ones(value: number): number {
  let count = 0;
  for (let rest = value; rest > 0; rest = half(rest)) count += rest % 2;
  return count;
}

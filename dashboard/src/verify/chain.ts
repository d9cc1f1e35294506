/**
 * The chain, computed again from the lines of `/v1/audit/entries`, and the tree of checkpoints beside
 * it. docs/reference.md has their rules.
 *
 * An event's bytes are taken as they are: nothing parses them.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import type { Point } from "./checkpoints.ts";
import type { Tree } from "./merkle.ts";
import type { Note } from "./notes.ts";

/**
 * What is wrong, beginning at `seq`:
 * - `changed`: the event's bytes don't lead to its hash
 * - `unlinked`: it doesn't follow from the event before it
 * - `gap`: a later event came in its place
 * - `repeated`: an earlier event came in its place
 * - `unreadable`: what came is no line of a ledger
 * - `other`: the chain has another hash there than `note` says
 * - `ended`: the ledger ends before it, though it was seen (`note`, or by this page)
 * - `refused`: Tocsin itself says that what is stored is not what was sealed
 * - `rewritten`: the tree has another root than the checkpoint `point` says; `seq` is the first event
 *   after the largest checkpoint that holds
 * - `unsigned`: the checkpoint `point` is not what a key that is trusted signed; `seq` is 0
 */
export interface Fault {
  kind:
    | "changed"
    | "unlinked"
    | "gap"
    | "repeated"
    | "unreadable"
    | "other"
    | "ended"
    | "refused"
    | "rewritten"
    | "unsigned";
  seq: number;
  /** What should have been there, and what was: hashes, seqs; "": nothing to compare. */
  expected: string;
  found: string;
  note?: Note;
  point?: Point;
}

/** An event with what Tocsin adds to it takes 300 KB at most. */
const MAX_LINE_BYTES = 1024 * 1024;

/** What a line begins with; all of it, where only the leaf is left. */
const MAX_HEAD_BYTES = 256;
const HEAD =
  /^\{"seq":([1-9]\d{0,15}),"prev_hash":"([0-9a-f]{64})","hash":"([0-9a-f]{64})",(?:("event":)\{|"leaf":"([0-9a-f]{64})"\}$)/;

const LINE_FEED = 10;
const CLOSING_BRACE = 125;

const ASCII = new TextDecoder("latin1");

export class Chain {
  /** The last event that holds, and the chain's hash there; "": the first one's is taken. */
  seq: number;
  hash: string;
  /** The hash before the first event. */
  before: string;
  events = 0;
  /** How many of them are leaves alone. */
  leaves = 0;
  bytes = 0;
  /** Once there is one, nothing more is taken. */
  fault: Fault | undefined;

  /** Where the tree has to go through; each says whether it was seen to. */
  readonly points: readonly Point[];
  /** Undefined: from the middle on there is none. */
  readonly tree: Tree | undefined;

  readonly #notes = new Map<number, Note[]>();
  readonly #sizes: ReadonlySet<number>;
  readonly #joint = new Uint8Array(64);
  #rest = new Uint8Array(64 * 1024);
  #restBytes = 0;

  /** Begin after `seq` with the hash that is known there; "": with what the first line says. */
  constructor(
    seq: number,
    hash: string,
    notes: readonly Note[] = [],
    tree?: Tree,
    points: readonly Point[] = [],
  ) {
    this.seq = seq;
    this.hash = hash;
    this.before = hash;
    if (hash) this.#joint.set(hexToBytes(hash));
    for (const note of notes) {
      this.#notes.set(note.seq, [...(this.#notes.get(note.seq) ?? []), note]);
    }
    this.tree = tree;
    this.points = points;
    this.#sizes = new Set(points.map(({ size }) => size));
    this.#pass();
  }

  /** Take the next bytes of an answer, wherever they end. They are written to. */
  take(bytes: Uint8Array): void {
    let start = 0;
    while (!this.fault) {
      const end = bytes.indexOf(LINE_FEED, start);
      const piece = bytes.subarray(start, end < 0 ? bytes.length : end);
      if (end >= 0 && this.#restBytes === 0) this.#line(piece);
      else {
        this.#keep(piece);
        if (end < 0) return;
        if (!this.fault) this.#line(this.#rest.subarray(0, this.#restBytes));
        this.#restBytes = 0;
      }
      start = end + 1;
    }
  }

  /** An answer is over: forget a line that was begun. Returns whether there was one. */
  cutOff(): boolean {
    const begun = this.#restBytes > 0;
    this.#restBytes = 0;
    return begun;
  }

  #keep(piece: Uint8Array): void {
    const size = this.#restBytes + piece.length;
    if (size > MAX_LINE_BYTES) {
      this.#found("unreadable", "", `a line of more than ${MAX_LINE_BYTES} bytes`);
      return;
    }
    if (size > this.#rest.length) {
      const larger = new Uint8Array(2 ** Math.ceil(Math.log2(size)));
      larger.set(this.#rest.subarray(0, this.#restBytes));
      this.#rest = larger;
    }
    this.#rest.set(piece, this.#restBytes);
    this.#restBytes = size;
  }

  #line(line: Uint8Array): void {
    const text = ASCII.decode(line.subarray(0, MAX_HEAD_BYTES));
    const head = HEAD.exec(text);
    const [, seqText = "", before = "", said = "", event, leafText = ""] = head ?? [];
    if (!head || line[line.length - 1] !== CLOSING_BRACE) {
      this.#found("unreadable", "", text.slice(0, 80));
      return;
    }
    const seq = Number(seqText);
    if (seq !== this.seq + 1) {
      this.#found(seq > this.seq ? "gap" : "repeated", String(this.seq + 1), seqText);
      return;
    }
    if (this.hash === "") {
      if (!this.#through(this.seq, before)) return;
      this.hash = before;
      this.before = before;
      this.#joint.set(hexToBytes(before));
    }
    if (before !== this.hash) {
      this.#found("unlinked", this.hash, before);
      return;
    }
    const leaf = event ? leafOf(line, head[0].length - 1) : hexToBytes(leafText);
    this.#joint.set(leaf, 32);
    const hash = sha256(this.#joint);
    const hashText = bytesToHex(hash);
    if (hashText !== said) {
      this.#found("changed", said, hashText);
      return;
    }
    if (!this.#through(seq, hashText)) return;
    this.#joint.set(hash);
    this.hash = hashText;
    this.seq = seq;
    this.events++;
    if (!event) this.leaves++;
    this.bytes += line.length + 1;
    this.tree?.grow(leaf);
    this.#pass();
  }

  /** Hold the tree against the checkpoints of its size. */
  #pass(): void {
    if (!this.tree || !this.#sizes.has(this.seq)) return;
    const root = bytesToHex(this.tree.root);
    for (const point of this.points) {
      if (point.size !== this.seq || point.standing === "refused") continue;
      point.holds = point.root === root;
      if (point.holds) continue;
      const held = this.points.filter(({ holds, size }) => holds && size < this.seq);
      const seq = Math.max(0, ...held.map(({ size }) => size)) + 1;
      this.fault = { kind: "rewritten", seq, expected: point.root, found: root, point };
    }
  }

  /** Whether the chain goes through whatever was noted of this place. */
  #through(seq: number, hash: string): boolean {
    const note = this.#notes.get(seq)?.find((each) => each.hash !== hash);
    if (note) this.fault = { kind: "other", seq, expected: note.hash, found: hash, note };
    return !note;
  }

  #found(kind: Fault["kind"], expected: string, found: string): void {
    this.fault = { kind, seq: this.seq + 1, expected, found };
  }
}

/** The hash before an org's first event. */
export function genesis(org: string): string {
  return bytesToHex(sha256(new TextEncoder().encode(`tocsin/v1/${org}`)));
}

/** SHA-256(00 ‖ the event's bytes), the event being the line's rest but for its last brace. */
function leafOf(line: Uint8Array, start: number): Uint8Array {
  line[start - 1] = 0; // in the place of the colon: nothing has to be copied
  return sha256(line.subarray(start - 1, line.length - 1));
}

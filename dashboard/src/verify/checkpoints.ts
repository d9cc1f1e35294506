/**
 * Checkpoints: a log's size and root in a signed note, and what one is worth to who reads it.
 *
 * See https://c2sp.org/signed-note and https://c2sp.org/tlog-checkpoint.
 */

import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { fromBase64, hasControls, number, utf8 } from "./texts.ts";
import { canVerify, isName, type Verifier } from "./verifiers.ts";

export const MAX_CHECKPOINTS = 20;
/** Of all that somebody gives at once. */
export const MAX_GIVEN_CHARS = 64 * 1024;
/** Of one; as Go's reader has it. */
export const MAX_NOTE_BYTES = 1_000_000;
const MAX_SIGNATURES = 100;
const ID_BYTES = 4;
const HASH_BYTES = 32;
const DASH = "— ";

export interface Signature {
  name: string;
  /** The key's id, 8 hex digits. */
  id: string;
  value: Uint8Array<ArrayBuffer>;
}

export interface Checkpoint {
  /** The log's name. */
  origin: string;
  /** So many events, from the first on. */
  size: number;
  /** The tree's root, 64 hex digits. */
  root: string;
  /** What is signed. */
  text: string;
  signatures: Signature[];
}

/**
 * - `trusted`: a key that the reader trusts has signed it
 * - `unasked`: the reader trusts no key yet
 * - `unchecked`: this browser can't verify signatures
 * - `refused`: none of the keys that the reader trusts has signed it
 */
export type Standing = "trusted" | "unasked" | "unchecked" | "refused";

/** A checkpoint as a place that the tree has to go through. It can be kept as JSON. */
export interface Point {
  origin: string;
  size: number;
  /** "": it can't be read. */
  root: string;
  /** Somebody kept it; otherwise it is the log's last one. */
  given: boolean;
  standing: Standing;
  /** Why it is refused. */
  why: string;
  /** The key that is trusted and has signed it, without its last part. */
  by: string;
  /** When a trusted key says that it signed it, a Unix time in seconds; 0: it does not say. */
  at: number;
  /** Whether the tree was seen to go through it. */
  holds: boolean;
}

/** Read a checkpoint; nothing of it is verified. Throws Error: it is none. */
export function parseCheckpoint(note: string): Checkpoint {
  const gap = note.lastIndexOf("\n\n");
  if (utf8(note).length > MAX_NOTE_BYTES) throw new Error("A checkpoint has 1 MB at most.");
  if (gap < 0 || !note.endsWith("\n") || hasControls(note)) {
    throw new Error(
      "A checkpoint is its lines, an empty line, and lines with signatures: give all of it, with no other characters.",
    );
  }
  const text = note.slice(0, gap + 1);
  const lines = note.slice(gap + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) {
    throw new Error(`A checkpoint has ${MAX_SIGNATURES} signatures at most.`);
  }
  const signatures = lines.map(parseSignature);
  const [origin = "", size = "", root = "", ...rest] = text.slice(0, -1).split("\n");
  if (!origin || rest.includes("")) throw new Error("A checkpoint's text has no empty lines.");
  return {
    origin,
    size: number(size, "A checkpoint's size"),
    root: bytesToHex(fromBase64(root, "A checkpoint's root", HASH_BYTES)),
    text,
    signatures,
  };
}

function parseSignature(line: string): Signature {
  const [dash, name = "", encoded = "", ...rest] = line.split(" ");
  if (dash !== DASH.trim() || !isName(name) || !encoded || rest.length > 0) {
    throw new Error("A checkpoint's signature is an em dash, a name and a base64.");
  }
  const data = fromBase64(encoded, "A checkpoint's signature");
  if (data.length <= ID_BYTES) throw new Error("A checkpoint's signature is cut.");
  return {
    name,
    id: bytesToHex(data.subarray(0, ID_BYTES)),
    value: data.slice(ID_BYTES),
  };
}

/** Read one or several checkpoints as people keep them, one after another. Throws Error. */
export function parseGiven(text: string, org: string): string[] {
  if (text.length > MAX_GIVEN_CHARS) {
    throw new Error(`Give ${MAX_GIVEN_CHARS / 1024} KB of checkpoints at most.`);
  }
  const notes: string[][] = [];
  let signed = true; // so that the first line begins one
  for (const line of text.split(/\r?\n/)) {
    const signature = line.startsWith(DASH);
    if (signed && !signature) {
      if (line === "") continue;
      notes.push([]);
    }
    signed = signature;
    notes[notes.length - 1]?.push(line);
    if (notes.length === 0) throw new Error("A checkpoint begins with its log's name.");
  }
  if (notes.length > MAX_CHECKPOINTS)
    throw new Error(`Give ${MAX_CHECKPOINTS} checkpoints at most.`);
  return notes.map((lines) => {
    const note = `${lines.join("\n")}\n`;
    ofOrg(parseCheckpoint(note), org);
    return note;
  });
}

function ofOrg(checkpoint: Checkpoint, org: string): Checkpoint {
  if (checkpoint.origin.endsWith(`/${org}`)) return checkpoint;
  throw new Error(`This checkpoint is of ${checkpoint.origin}, and what you see is ${org}.`);
}

/** Say what a checkpoint of an org is worth to who trusts these keys; one that is none is refused. */
export async function judge(
  note: string,
  given: boolean,
  org: string,
  keys: readonly Verifier[],
): Promise<Point> {
  const point = { origin: "", size: 0, root: "", given, why: "", by: "", at: 0, holds: false };
  let read: Checkpoint;
  try {
    read = ofOrg(parseCheckpoint(note), org);
  } catch (error) {
    return { ...point, standing: "refused", why: said(error) };
  }
  const { origin, size, root } = read;
  const of = { ...point, origin, size, root };
  if (keys.length === 0) return { ...of, standing: "unasked" };
  if (!(await canVerify())) return { ...of, standing: "unchecked" };
  return { ...of, ...(await trusted(read, keys)) };
}

/** Hold a checkpoint's signatures against keys: those of others are ignored, a wrong one is not. */
export async function trusted(
  { origin, text, signatures }: Checkpoint,
  keys: readonly Verifier[],
): Promise<{ standing: Standing; why: string; by: string; at: number }> {
  let [by, at] = ["", 0];
  for (const key of keys.filter(({ name }) => name === origin).flatMap(({ both }) => both)) {
    for (const { name, id, value } of signatures) {
      if (name !== key.name || id !== key.id) continue;
      const who = `${key.name}+${key.id}`;
      if (!(await key.verify(text, value))) {
        return {
          standing: "refused",
          why: `Its signature by ${who} is not that key's.`,
          by: "",
          at: 0,
        };
      }
      by ||= who;
      at = Math.max(at, key.atOf(value));
    }
  }
  if (by) return { standing: "trusted", why: "", by, at };
  return { standing: "refused", why: "No key that you trust has signed it.", by, at };
}

const said = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** A hash in the checkpoints' own writing, base64. */
export const rootText = (hex: string) => btoa(String.fromCharCode(...hexToBytes(hex)));

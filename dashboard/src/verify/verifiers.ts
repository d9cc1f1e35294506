/**
 * Keys that checkpoints are verified with: `name+id+base64(type ‖ public key)`.
 *
 * See https://c2sp.org/signed-note#verifier-keys and https://c2sp.org/tlog-cosignature.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { fromBase64, hasControls, utf8 } from "./texts.ts";

export const MAX_KEYS = 10;
const ID_BYTES = 4;
const PUBLIC_BYTES = 32;
const SIGNATURE_BYTES = 64;
const TIME_BYTES = 8;

/** What it signs: a note's text, or that with a time. */
const PLAIN = 1;
const TIMED = 4;
const ML_DSA = 6;

export class Verifier {
  readonly name: string;
  readonly type: number;
  readonly public: Uint8Array<ArrayBuffer>;
  /** 8 hex digits: tells keys of a name apart, and proves nothing. */
  readonly id: string;

  constructor(name: string, type: number, key: Uint8Array<ArrayBuffer>) {
    this.name = name;
    this.type = type;
    this.public = key;
    const head = utf8(`${name}\n`);
    const joint = new Uint8Array(head.length + 1 + key.length);
    joint.set(head);
    joint[head.length] = type;
    joint.set(key, head.length + 1);
    this.id = bytesToHex(sha256(joint).subarray(0, ID_BYTES));
  }

  /** Throws Error: it is no key, its id is another one's, or this page can't verify with it. */
  static read(text: string): Verifier {
    const [name = "", id = "", encoded = "", ...rest] = text.split("+");
    // The base64 may have a + of its own.
    if (!isName(name) || !/^[0-9a-f]{8}$/.test(id) || !encoded) {
      throw new Error("A key is its name, its id and its base64, with + between: paste all of it.");
    }
    const typed = fromBase64([encoded, ...rest].join("+"), "A key");
    const type = typed[0] ?? 0;
    if (type !== PLAIN && type !== TIMED) {
      throw new Error(
        type === ML_DSA
          ? "A browser can't verify ML-DSA-44 yet: give the log's Ed25519 key, or use `tocsin verify`."
          : "This key is of a type that this page does not know.",
      );
    }
    if (typed.length !== 1 + PUBLIC_BYTES) {
      throw new Error(`A key of Ed25519 has ${PUBLIC_BYTES} bytes and not ${typed.length - 1}.`);
    }
    const key = new Verifier(name, type, typed.slice(1));
    if (key.id !== id) {
      throw new Error(`This key is cut or changed: its id would be ${key.id}.`);
    }
    return key;
  }

  /** Whether its signatures say when they were made. */
  get isTimed(): boolean {
    return this.type === TIMED;
  }

  /** The key, and the same one for signatures that say when they were made. */
  get both(): Verifier[] {
    return this.isTimed ? [this] : [this, new Verifier(this.name, TIMED, this.public)];
  }

  /** When a signature says that it was made, a Unix time in seconds; 0: it does not say. */
  atOf(signature: Uint8Array): number {
    if (this.type !== TIMED || signature.length < TIME_BYTES) return 0;
    const bytes = new DataView(signature.buffer, signature.byteOffset, TIME_BYTES);
    return Number(bytes.getBigUint64(0));
  }

  /** Whether it has signed a note's text. Only where {@link canVerify}. */
  async verify(text: string, signature: Uint8Array<ArrayBuffer>): Promise<boolean> {
    if (this.type === PLAIN) return verified(this.public, signature, utf8(text));
    const signed = signature.slice(TIME_BYTES);
    const at = signature.length > TIME_BYTES ? atText(signature) : "";
    return verified(this.public, signed, utf8(`cosignature/v1\ntime ${at}\n${text}`));
  }
}

/** All digits of a time: a number has not as many. */
function atText(signature: Uint8Array): string {
  return new DataView(signature.buffer, signature.byteOffset, TIME_BYTES)
    .getBigUint64(0)
    .toString();
}

/** Whether a key can have this name: no spaces of Unicode, and no plus sign. */
export function isName(text: string): boolean {
  return text !== "" && !/[+\p{White_Space}]/u.test(text) && !hasControls(text);
}

/** Read the keys that somebody trusts for an org's log. Throws Error: says what to do. */
export function parseKeys(text: string, org: string): Verifier[] {
  const given = text.split(/\s+/).filter(Boolean);
  if (given.length > MAX_KEYS) throw new Error(`Give ${MAX_KEYS} keys at most.`);
  return given.map((each) => {
    const key = Verifier.read(each);
    if (!key.name.endsWith(`/${org}`)) {
      throw new Error(`This key is of ${key.name}, and what you see is ${org}.`);
    }
    if (key.isTimed) {
      // It signs once a day: whoever trusts it alone would miss it in every other checkpoint.
      throw new Error(
        "This key is for signatures with a time: give the one that signs every checkpoint, which stands beside it.",
      );
    }
    return key;
  });
}

/** Whether this browser has Ed25519, and it is right: held against RFC 8032, section 7.1, test 1. */
export async function canVerify(): Promise<boolean> {
  const key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
  const signature =
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
  const bytes = (hex: string) => new Uint8Array(hexToBytes(hex));
  try {
    const right = await verified(bytes(key), bytes(signature), new Uint8Array());
    return right && !(await verified(bytes(key), bytes(signature), new Uint8Array(1)));
  } catch {
    return false; // an older browser, or a page that is not from https
  }
}

/** Throws: the browser has no Ed25519. */
async function verified(
  key: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
  message: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  const { subtle } = globalThis.crypto;
  if (signature.length !== SIGNATURE_BYTES) return false;
  let imported: CryptoKey;
  try {
    imported = await subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
  } catch (error) {
    // Some refuse here what is no point of the curve; others when they verify.
    if (error instanceof DOMException && error.name === "DataError") return false;
    throw error;
  }
  return subtle.verify("Ed25519", imported, signature, message);
}

/** What somebody noted of a chain: that it had this hash after this event. */

export interface Note {
  seq: number;
  /** 64 hex digits. */
  hash: string;
  /** When this browser verified it itself, as an ISO time; undefined: somebody gave it. */
  at?: string;
}

export const MAX_NOTES = 20;

const NOTE = /^(?:([a-z0-9-]{1,64}):)?([1-9]\d{0,15}):([0-9a-f]{64})$/;

/** A note as a line to keep: `org:seq:hash`. */
export function noteText(org: string, note: Note): string {
  return `${org}:${note.seq}:${note.hash}`;
}

/** Read notes as they were kept, with or without the org. Throws Error: says what to do. */
export function parseNotes(text: string, org: string): Note[] {
  const given = text
    .trim()
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean);
  if (given.length > MAX_NOTES) throw new Error(`Give ${MAX_NOTES} notes at most.`);
  return given.map((each) => {
    const [, of, seq, hash] = NOTE.exec(each) ?? [];
    if (seq === undefined || hash === undefined || !Number.isSafeInteger(Number(seq))) {
      throw new Error(
        "A note is a seq, a colon and 64 hex digits, as “Copy” gives it: paste the whole line.",
      );
    }
    if (of !== undefined && of !== org) {
      throw new Error(`This note is of ${of}, and what you see is ${org}: switch to ${of} first.`);
    }
    return { seq: Number(seq), hash };
  });
}

/** Read where to begin and to end; undefined: at the newest event. Throws Error: says what to do. */
export function parseRange(from: string, to: string): { from: number; to: number | undefined } {
  const first = parseSeq(from) ?? 1;
  const last = parseSeq(to);
  if (last !== undefined && last < first) throw new Error("“To” is before “From”: swap them.");
  return { from: first, to: last };
}

function parseSeq(text: string): number | undefined {
  const digits = text.replace(/[\s,]/g, "");
  if (digits === "") return undefined;
  const seq = Number(digits);
  if (!/^\d+$/.test(digits) || seq < 1 || !Number.isSafeInteger(seq)) {
    throw new Error("A seq is a whole number, and the first event's is 1.");
  }
  return seq;
}

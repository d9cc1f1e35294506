/** What this browser keeps of verifying an org: the last head that held, and the last result. */

import { kept as read, keep as write } from "../app/kept.ts";
import type { Note } from "./notes.ts";
import type { Run } from "./run.ts";

export interface Kept {
  /** The furthest head of a chain that held. */
  head?: Note & { at: string };
  /** The last run, unless it was under way when the page was left. */
  last?: Run;
}

export function kept(org: string): Kept {
  try {
    const { head, last } = JSON.parse(read(() => localStorage, name(org)) ?? "{}") as Kept;
    return {
      ...(head && isHead(head) ? { head } : {}),
      ...(last && isRun(last, org) ? { last } : {}),
    };
  } catch {
    return {}; // of another version
  }
}

export function keep(org: string, what: Kept): void {
  write(() => localStorage, name(org), JSON.stringify(what));
}

const name = (org: string) => `tocsin.verified.${org}`;

function isHead(head: Note & { at: string }): boolean {
  return (
    Number.isSafeInteger(head.seq) &&
    /^[0-9a-f]{64}$/.test(head.hash) &&
    typeof head.at === "string"
  );
}

function isRun(last: Run, org: string): boolean {
  return (
    last.org === org &&
    ["paused", "verified", "found", "failed"].includes(last.phase) &&
    Number.isSafeInteger(last.seq) &&
    Array.isArray(last.notes) &&
    Array.isArray(last.points)
  );
}

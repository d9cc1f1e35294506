/** The one verification of the page. It goes on in whatever view one is. */

import { effect, signal, untracked } from "@preact/signals";
import { ApiError } from "../api/http.ts";
import { refused } from "../app/refused.ts";
import { org } from "../app/session.ts";
import { log } from "../live/log.ts";
import type { Fault } from "./chain.ts";
import { parseGiven } from "./checkpoints.ts";
import { keep, kept } from "./kept.ts";
import type { FromWorker, Progress, ToWorker } from "./messages.ts";
import type { Note } from "./notes.ts";
import { newWorker } from "./spawn.ts";
import { given, trust } from "./trust.ts";

/**
 * - `running`: events are hashed, or waited for (`waiting` says why)
 * - `paused`: somebody stopped it, or left the org
 * - `verified`: whatever was there holds
 * - `found`: it does not; `fault` says what
 * - `failed`: it could not be finished; `trouble` says why
 */
export type Phase = "running" | "paused" | "verified" | "found" | "failed";

export interface Run extends Progress {
  org: string;
  phase: Phase;
  from: number;
  /** Undefined: the newest. */
  to: number | undefined;
  /** What the chain has to go through: what was given, and what this browser verified last. */
  notes: readonly Note[];
  /** The checkpoints that somebody gave, as they were given. */
  kept: readonly string[];
  waiting: string;
  trouble: string;
  fault: Fault | undefined;
  /** When it ended, or was stopped, as an ISO time; "": it goes on. */
  at: string;
}

export const run = signal<Run | undefined>(undefined);
/** What this browser verified last of the org. */
export const remembered = signal<(Note & { at: string }) | undefined>(undefined);

let worker: Worker | undefined;

/** Begin anew: whatever was found before is forgotten. */
export function start(from: number, to: number | undefined, noted: readonly Note[]): void {
  const head = kept(org.value).head;
  begin({
    org: org.value,
    phase: "running",
    from,
    to,
    notes: head ? [...noted, head] : noted,
    kept: parseGiven(given.value, org.value),
    peaks: from === 1 ? "" : undefined,
    points: [],
    unsigned: "",
    seq: from - 1,
    hash: "",
    before: "",
    events: 0,
    leaves: 0,
    bytes: 0,
    ms: 0,
    waiting: "",
    trouble: "",
    fault: undefined,
    at: "",
  });
}

export function pause(): void {
  if (run.value?.phase === "running") end({ ...run.value, phase: "paused" });
}

/** Go on after the last event that was verified. */
export function goOn(): void {
  if (!run.value) return;
  begin({ ...run.value, phase: "running", trouble: "", at: "" });
}

/** Forget what this browser verified last, and what came of it. */
export function forget(): void {
  stop();
  keep(org.value, {});
  remembered.value = undefined;
  run.value = undefined;
}

function begin(to: Run): void {
  stop();
  run.value = to;
  const mine = newWorker();
  worker = mine;
  mine.addEventListener("message", (event: MessageEvent<FromWorker>) => {
    if (mine === worker) hear(to, event.data);
  });
  mine.addEventListener("error", () => {
    const trouble = "This page's worker can't be run: reload the page, and start again.";
    if (mine === worker) end({ ...to, phase: "failed", trouble });
  });
  const { org, seq, hash, notes, peaks, kept, points } = to;
  const { keys } = trust.value; // of now, and not kept with the run
  const order = { org, seq, hash, to: to.to, notes, peaks, keys, kept, points, head: seenHead() };
  tell({ order });
}

function stop(): void {
  worker?.terminate();
  worker = undefined;
}

const tell = (message: ToWorker) => worker?.postMessage(message);

const seenHead = () => (log.state.value === "live" ? log.head.value : 0);

/** Take what a worker says of its part: what was done before it is added. */
function hear(before: Run, said: FromWorker): void {
  const { progress } = said;
  const now: Run = {
    ...before,
    ...progress,
    before: before.before || progress.before,
    events: before.events + progress.events,
    leaves: before.leaves + progress.leaves,
    bytes: before.bytes + progress.bytes,
    ms: before.ms + progress.ms,
    waiting: said.waiting,
  };
  if (!said.end) run.value = now;
  else if (said.end === "verified") end({ ...now, phase: "verified" });
  else if (said.end === "found") end({ ...now, phase: "found", fault: said.fault });
  else {
    end({ ...now, phase: "failed", trouble: said.trouble });
    if (said.status === 401) refused(new ApiError(401, "", said.trouble, undefined, 0));
  }
}

function end(ended: Run): void {
  stop();
  const at = new Date().toISOString();
  const last = { ...ended, waiting: "", at };
  const { head } = kept(last.org);
  const next = last.phase === "verified" ? furthest(head, last, at) : head;
  keep(last.org, { last, ...(next ? { head: next } : {}) });
  if (last.org === org.value) {
    run.value = last;
    remembered.value = next;
  }
}

/** The head to remember: a chain's that goes through what was remembered before. */
function furthest(
  head: (Note & { at: string }) | undefined,
  { from, seq, hash, events }: Run,
  at: string,
): (Note & { at: string }) | undefined {
  const through = !head || (from - 1 <= head.seq && head.seq <= seq);
  return events > 0 && through ? { seq, hash, at } : head;
}

effect(() => {
  const now = org.value;
  untracked(() => {
    pause();
    const { head, last } = now ? kept(now) : {};
    run.value = last;
    remembered.value = head;
  });
});

effect(() => {
  const head = seenHead();
  if (head > 0) tell({ head });
});

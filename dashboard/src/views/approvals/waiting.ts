/**
 * Approvals that wait, wherever one is in the page.
 *
 * The list is read once for each connection of the stream, when that is there, so that nothing
 * falls between the two; from then on the stream tells, and no request is made however much happens.
 */

import { computed, effect, signal } from "@preact/signals";
import { type Listed, listWaiting, type Outcome } from "../../api/approvals.ts";
import { heardTime, offsetMs } from "../../api/clock.ts";
import type { ApiError } from "../../api/http.ts";
import { org } from "../../app/session.ts";
import { log } from "../../live/log.ts";
import { asProblem } from "../../ui/load.ts";
import { now } from "../../ui/time.ts";
import { Calls } from "./calls.ts";
import { notify, withdraw } from "./notify.ts";

const calls = new Calls();
let run = 0;

/** Those that wait, the oldest first. */
export const waiting = signal<readonly Listed[]>([]);
/** Whether the list was read, of this org. */
export const loaded = signal(false);
export const trouble = signal<ApiError | undefined>(undefined);
/** The time at Tocsin, in milliseconds. */
export const serverNow = () => now.value + offsetMs();

export const secondsLeft = (call: { expires_at: string }) =>
  (Date.parse(call.expires_at) - serverNow()) / 1_000;

export const waitingCount = computed(
  () => waiting.value.filter((each) => secondsLeft(each) > 0).length,
);

/** How one ended, as far as the stream told; undefined: it waits, or it is not known any more. */
export function outcome(id: string): Outcome | undefined {
  waiting.value; // whoever asks is told when there is news
  return calls.outcome(id);
}

/** This page has seen that one ended: it need not wait for the stream. */
export function sawEnd(ended: Outcome): void {
  if (calls.outcome(ended.id)) return;
  calls.ended(ended);
  publish();
}

/** Read the list. */
export async function readWaiting(): Promise<void> {
  const mine = ++run;
  calls.reading();
  try {
    const all = await listWaiting();
    if (mine !== run) return;
    calls.listed(all);
    trouble.value = undefined;
    publish();
    loaded.value = true;
  } catch (error) {
    if (mine === run) trouble.value = asProblem(error);
  }
}

function publish(): void {
  const before = new Set(waiting.value.map((each) => each.id));
  waiting.value = calls.waiting;
  withdraw((id) => calls.outcome(id) === undefined);
  if (loaded.value) notify(waiting.value.filter((each) => !before.has(each.id)));
}

log.listen((events) => {
  for (const event of events) {
    // Tocsin stamps these itself: by then it was at least as late.
    if (event.type.startsWith("approval.")) heard(event.at);
  }
  if (calls.told(events)) publish();
});

function heard(at: string): void {
  heardTime(Date.parse(at), Number.POSITIVE_INFINITY, Date.now(), Date.now());
}

effect(() => {
  org.value;
  run++;
  calls.clear();
  waiting.value = [];
  loaded.value = false;
  trouble.value = undefined;
});

effect(() => {
  const state = log.state.value;
  if (state === "live" || state === "failed") void readWaiting();
});

/**
 * Events a minute, as they come and as they were before.
 *
 * What is live is counted from the log; what was before, from pages of the newest events backwards,
 * until the time that is asked for is covered or ten requests are done. `knownFromMs` says from when
 * on everything is counted.
 */

import { signal } from "@preact/signals";
import { followEvents, type LoggedEvent, listEvents, type Page } from "../api/events.ts";
import type { ApiError } from "../api/http.ts";
import { asProblem } from "../ui/load.ts";
import { Counts, MAX_MINUTES, minuteOf, receivedMs } from "./counts.ts";
import { type Log, log } from "./log.ts";

const PAGE = 1_000;
const MAX_REQUESTS = 10;
const MAX_MARKS = 500;
/** Batches that came together are sealed in any order: the last events of a page say how far. */
const LAST = 10;

/** What was unusual, to be marked where it was. */
export interface Mark {
  id: string;
  minute: number;
  severity: string;
  kind: string;
  said: string;
}

export class Rates {
  /** Grows whenever something was counted. */
  readonly revision = signal(0);
  readonly reading = signal(false);
  readonly problem = signal<ApiError | undefined>(undefined);

  counts = new Counts();
  marks: Mark[] = [];
  /** From when on all events are counted (Unix ms); 0: from the first. */
  knownFromMs = Number.POSITIVE_INFINITY;

  #log: Log;
  #ends: (() => void)[] = [];
  #shown = false;
  #head = 0;
  #minutes = 0;
  #requests = 0;
  #next: string | undefined;
  #abort = new AbortController();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Whether the events of the time that was asked for are more than ten requests can read. */
  get cutOff(): boolean {
    return this.#requests >= MAX_REQUESTS && this.#next !== undefined;
  }

  /** Count from now on, and what came in so many minutes before. */
  show(minutes: number): void {
    this.#shown = true;
    this.#minutes = minutes;
    if (this.#ends.length === 0) this.#follow();
    else if (this.#requests === 0) this.#begin();
    else if (!this.reading.peek()) void this.#read(this.#abort.signal);
  }

  /** Nobody looks: go on counting what the log is told, and ask for nothing. */
  hide(): void {
    this.#shown = false;
  }

  /** End it, and forget all. */
  stop(): void {
    for (const end of this.#ends) end();
    this.#ends = [];
    this.#forget();
  }

  /** Read again what could not be read. */
  retry(): void {
    if (this.#requests === 0) this.#begin();
    else void this.#read(this.#abort.signal);
  }

  #follow(): void {
    const { state, missed } = this.#log;
    let known = missed.peek();
    this.#ends = [
      this.#log.listen((events) => this.#take(events)),
      // What came while the stream was cut off is not streamed, but read again with all else.
      missed.subscribe((now) => {
        if (now !== null && now !== known && now.until > this.#head) this.#again(now.until);
        known = now;
      }),
      state.subscribe((now) => {
        if (now === "stopped") this.#forget();
        else if (this.#requests === 0 && !this.reading.peek()) this.#begin();
      }),
    ];
  }

  #begin(): void {
    const state = this.#log.state.peek();
    if (state === "live" || state === "cut") this.#again(this.#log.head.peek());
  }

  /** Begin with nothing counted: what is up to `head` is the lists', what is beyond, the log's. */
  #again(head: number): void {
    this.#forget();
    if (!this.#shown) return;
    this.#head = head;
    void this.#read(this.#abort.signal);
  }

  #forget(): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.counts = new Counts();
    this.marks = [];
    this.knownFromMs = Number.POSITIVE_INFINITY;
    this.#requests = 0;
    this.#next = undefined;
    this.reading.value = false;
    this.problem.value = undefined;
    this.revision.value++;
  }

  #take(events: readonly LoggedEvent[]): void {
    if (this.#requests === 0 && !this.reading.peek()) return; // it has not begun
    const first = events[0]?.seq ?? 0;
    // Another ledger under the same name, restored or made anew.
    const head = this.#log.head.peek();
    if (first <= this.#head && head < this.#head) {
      this.#again(head);
      return;
    }
    for (const event of events) {
      if (event.seq <= this.#head) continue; // the lists have it
      this.#head = event.seq;
      this.#count(event);
    }
    this.revision.value++;
  }

  #count(event: LoggedEvent): void {
    this.counts.add(event);
    if (event.type !== "anomaly") return;
    this.marks.push(markOf(event));
    if (this.marks.length > MAX_MARKS) {
      this.marks.sort((a, b) => b.minute - a.minute);
      this.marks.length = MAX_MARKS / 2;
    }
  }

  async #read(abort: AbortSignal): Promise<void> {
    this.reading.value = true;
    this.problem.value = undefined;
    try {
      while (!this.#isCovered() && this.#requests < MAX_REQUESTS) {
        const page = await this.#page(abort);
        if (abort.aborted) return;
        this.#requests++;
        for (const event of page.events) this.#count(event);
        this.#next = page.next;
        this.knownFromMs = this.#reachedMs(page);
        this.revision.value++;
        if (page.next === undefined) break;
      }
    } catch (error) {
      if (abort.aborted) return;
      this.problem.value = asProblem(error);
    }
    this.reading.value = false;
  }

  #page(abort: AbortSignal): Promise<Page> {
    if (this.#next !== undefined) return followEvents(this.#next, abort);
    return listEvents({}, { limit: PAGE, before: this.#head + 1 }, abort);
  }

  #isCovered(): boolean {
    const now = Math.max(Math.floor(Date.now() / 60_000), this.counts.newest);
    return this.knownFromMs <= (now - Math.min(this.#minutes, MAX_MINUTES) + 1) * 60_000;
  }

  #reachedMs(page: Page): number {
    if (page.next === undefined) return 0;
    const last = page.events.slice(-LAST).map((event) => receivedMs(event));
    return last.length === 0 ? this.knownFromMs : Math.max(...last);
  }
}

export const rates = new Rates(log);

function markOf(event: LoggedEvent): Mark {
  const fields = JSON.parse(event.text) as { data?: unknown; anomaly_type?: unknown };
  const data = (fields.data ?? {}) as { severity?: unknown; description?: unknown };
  return {
    id: event.id,
    minute: minuteOf(event),
    severity: typeof data.severity === "string" ? data.severity : "warning",
    kind: typeof fields.anomaly_type === "string" ? fields.anomaly_type : "anomaly",
    said: typeof data.description === "string" ? data.description : "",
  };
}

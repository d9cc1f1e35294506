/**
 * The rows of a feed: the log's events that a filter lets through, and pages before them. Reports
 * of one call are one row, which stays where its first one was shown.
 *
 * While it follows, rows come at the top. While it is held, it stays as it is and counts what
 * comes, so that nothing moves under a reader. `around` shows the ledger at a place instead.
 */

import { signal } from "@preact/signals";
import {
  type Filter,
  followEvents,
  type LoggedEvent,
  listEvents,
  matches,
  type Page,
} from "../../api/events.ts";
import type { ApiError } from "../../api/http.ts";
import { type Call, Calls } from "../../live/calls.ts";
import type { Log } from "../../live/log.ts";
import { asProblem } from "../../ui/load.ts";

export interface Wanted {
  filter: Filter;
  /** What an event's text must contain, in any case of letters. */
  search: string;
  /** The seq to show the ledger around; undefined: what is live. */
  around: number | undefined;
}

const PAGE = 200;
const ENOUGH_ROWS = 60;
/** Pages that are read by themselves while nothing is found; then one is asked. */
const PAGES_UNASKED = 5;
const MAX_EVENTS = 20_000;
const AFTER_PLACE = 50;

/** An event, or all that is known of a call. */
export type FeedRow = Call<LoggedEvent>;

export class Rows {
  readonly revision = signal(0);
  /** How many came while it was held. */
  readonly waiting = signal(0);
  readonly held = signal(false);
  readonly loading = signal(false);
  readonly problem = signal<ApiError | null>(null);
  /** Whether there may be more before the last row, and nobody is reading it. */
  readonly more = signal(false);
  /** The seq down to which events were looked at. */
  readonly lookedTo = signal(0);

  #log: Log;
  #wanted: Wanted = { filter: {}, search: "", around: undefined };
  #needle = "";
  #newest: FeedRow[] = [];
  #older: FeedRow[] = [];
  #calls = new Calls<LoggedEvent>();
  /** The seqs of the newest and the oldest event that is in a row. */
  #highest = 0;
  #lowest = Number.POSITIVE_INFINITY;
  #next: (() => Promise<Page>) | undefined;
  #turn = 0;
  #epoch = 0;
  #unsubscribe: () => void = () => undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  get count(): number {
    return this.#newest.length + this.#older.length;
  }

  /** How many events are in the rows. */
  events = 0;

  /** A row, the newest first. */
  at(index: number): FeedRow | undefined {
    const fresh = this.#newest.length;
    return index < fresh ? this.#newest[fresh - 1 - index] : this.#older[index - fresh];
  }

  indexOf(id: string): number {
    return id ? this.#find((event) => event.id === id) : -1;
  }

  indexOfSeq(seq: number): number {
    return this.#find((event) => event.seq === seq);
  }

  #find(is: (event: LoggedEvent) => boolean): number {
    for (let index = 0; index < this.count; index++) {
      if (this.at(index)?.reports.some(is)) return index;
    }
    return -1;
  }

  /** Begin to take what comes. Returns what ends it. */
  start(): () => void {
    this.#unsubscribe = this.#log.listen((events) => this.#came(events));
    return () => {
      this.#turn++;
      this.#unsubscribe();
    };
  }

  show(wanted: Wanted): void {
    this.#wanted = wanted;
    this.#needle = wanted.search.toLowerCase();
    this.#begin();
  }

  /** Stay as it is. */
  hold(): void {
    this.held.value = true;
  }

  /** Go on with what is live. */
  follow(): void {
    if (!this.held.value) return;
    this.#begin();
  }

  /** Read the page before the last row, once. */
  loadOlder(): void {
    void this.#load(1);
  }

  #begin(): void {
    this.#turn++;
    this.#epoch = this.#log.epoch;
    this.#older = [];
    this.#newest = [];
    this.#forget();
    this.loading.value = false;
    this.problem.value = null;
    this.waiting.value = 0;
    const { filter, around } = this.#wanted;
    this.held.value = around !== undefined;
    if (around !== undefined) {
      const before = around + AFTER_PLACE;
      this.#next = () => listEvents(filter, { limit: PAGE, before });
      this.lookedTo.value = before;
    } else {
      for (const event of this.#log.events) if (this.#wants(event)) this.#take(event, this.#newest);
      const before = this.#log.events[0]?.seq ?? this.#log.head.value + 1;
      if (before > this.#log.firstKept.value) {
        this.#next = () => listEvents(filter, { limit: PAGE, before });
      } else this.#next = undefined;
      this.lookedTo.value = before;
    }
    this.more.value = this.#next !== undefined;
    this.revision.value++;
    if (this.count < ENOUGH_ROWS) void this.#load(PAGES_UNASKED);
  }

  async #load(pages: number): Promise<void> {
    if (this.loading.value || this.#next === undefined || this.events >= MAX_EVENTS) return;
    const turn = this.#turn;
    this.loading.value = true;
    this.problem.value = null;
    try {
      for (let page = 0; page < pages && this.#next !== undefined; page++) {
        const { events, next } = await this.#next();
        if (turn !== this.#turn) return;
        this.#next = next ? () => followEvents(next) : undefined;
        // A row is there once, whatever a list repeats or the stream has brought meanwhile.
        for (const event of events) {
          if (event.seq < this.#lowest && this.#found(event)) this.#take(event, this.#older);
        }
        const last = events.at(-1);
        if (last) this.lookedTo.value = last.seq;
        this.revision.value++;
        if (this.count >= ENOUGH_ROWS) break;
      }
    } catch (error) {
      if (turn === this.#turn) this.problem.value = asProblem(error);
    } finally {
      if (turn === this.#turn) {
        this.loading.value = false;
        this.more.value = this.#next !== undefined && this.events < MAX_EVENTS;
      }
    }
  }

  #came(events: readonly LoggedEvent[]): void {
    if (this.#epoch !== this.#log.epoch && !this.held.value) {
      this.#begin(); // else there would be a hole among the rows that nobody sees
      return;
    }
    const wanted = events.filter((event) => this.#wants(event));
    if (wanted.length === 0) return;
    if (this.held.value) {
      this.waiting.value += wanted.length;
      return;
    }
    // What the log began with is in the rows already.
    for (const event of wanted) {
      if (event.seq > this.#highest) this.#take(event, this.#newest);
    }
    if (this.events > MAX_EVENTS) {
      // Let go of what is far below; the lists give it back.
      const all = this.#newest.flatMap(({ reports }) => reports);
      const kept = all.sort((one, other) => one.seq - other.seq).slice(-MAX_EVENTS / 2);
      this.#newest = [];
      this.#older = [];
      this.#forget();
      for (const event of kept) this.#take(event, this.#newest);
      const before = kept[0]?.seq;
      const { filter } = this.#wanted;
      this.#next = () => listEvents(filter, { limit: PAGE, before });
      this.more.value = true;
    }
    this.revision.value++;
  }

  /** Put an event into its call's row, wherever that stands, or into one of its own. */
  #take(event: LoggedEvent, rows: FeedRow[]): void {
    const { call, fresh } = this.#calls.take(event);
    if (fresh) rows.push(call);
    this.events++;
    this.#highest = Math.max(this.#highest, event.seq);
    this.#lowest = Math.min(this.#lowest, event.seq);
  }

  #forget(): void {
    this.#calls = new Calls();
    this.events = 0;
    this.#highest = 0;
    this.#lowest = Number.POSITIVE_INFINITY;
  }

  #wants(event: LoggedEvent): boolean {
    return matches(event, this.#wanted.filter) && this.#found(event);
  }

  #found(event: LoggedEvent): boolean {
    return this.#needle === "" || event.text.toLowerCase().includes(this.#needle);
  }
}

/**
 * A session's events as they are known so far: the newest pages, those before them as they are
 * asked for, and what comes.
 */

import { signal } from "@preact/signals";
import { followEvents, type LoggedEvent, listEvents, type Page } from "../../api/events.ts";
import type { ApiError } from "../../api/http.ts";
import { Calls } from "../../live/calls.ts";
import type { Log } from "../../live/log.ts";
import { asProblem } from "../../ui/load.ts";
import { addReport, type Moment, momentOf } from "../../ui/moment.ts";

const PAGE = 500;
/** Read without being asked for; a longer session's beginning is read as one scrolls. */
const UNASKED = 2_000;
const MOST = 100_000;
/** However many come, they are drawn so often. */
const REDRAWN_MS = 400;

export class Timeline {
  readonly revision = signal(0);
  readonly loading = signal(false);
  readonly problem = signal<ApiError | null>(null);
  /** Whether there are events before the first. */
  readonly more = signal(true);

  readonly #id: string;
  readonly #log: Log;
  #moments: Moment[] = [];
  #known = new Set<number>();
  #calls = new Calls<Moment>();
  #next: (() => Promise<Page>) | undefined;
  #turn = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The newest seq up to which nothing is missing while the stream is cut. */
  #wholeTo: number | undefined;

  constructor(id: string, log: Log) {
    this.#id = id;
    this.#log = log;
    this.#next = this.#first;
  }

  /** How many events were read. */
  get read(): number {
    return this.#known.size;
  }

  /** The newest first, by their time; a call is one, where its first report was shown. */
  get moments(): readonly Moment[] {
    return this.#moments;
  }

  /** Begin to read and to listen. Returns what ends it. */
  start(): () => void {
    const unlisten = this.#log.listen((events) => {
      if (this.#add(events.filter((event) => event.session === this.#id))) {
        this.#timer ??= setTimeout(() => this.#show(), REDRAWN_MS);
      }
    });
    let was = this.#log.state.peek();
    const unsubscribe = this.#log.state.subscribe((state) => {
      if (was === "live" && state !== "live") this.#wholeTo = this.#newest();
      if (was !== "live" && state === "live" && this.#wholeTo !== undefined) void this.#catchUp();
      was = state;
    });
    void this.load(UNASKED);
    return () => {
      this.#turn++;
      clearTimeout(this.#timer);
      unlisten();
      unsubscribe();
    };
  }

  /** Read pages until there are so many events, or none before them; one page at least. */
  async load(until = 0): Promise<void> {
    if (this.loading.value) return;
    await this.#reading(async (current) => {
      do {
        const page = await this.#next?.();
        if (!page || !current()) return;
        this.#goOn(page);
        this.#add(page.events);
        this.#show();
      } while (this.#next && this.read < until);
    });
  }

  #first = () => listEvents({ session: this.#id }, { limit: PAGE });

  /** After a cut: what came meanwhile, or all anew if that is more than a page. */
  async #catchUp(): Promise<void> {
    await this.#reading(async (current) => {
      const page = await this.#first();
      if (!current()) return;
      const whole = this.#wholeTo ?? 0;
      this.#wholeTo = undefined;
      if (page.next && page.events.every((event) => event.seq > whole)) {
        this.#moments = [];
        this.#known.clear();
        this.#calls = new Calls();
        this.#goOn(page);
      }
      this.#add(page.events);
    });
  }

  async #reading(read: (current: () => boolean) => Promise<void>): Promise<void> {
    const turn = ++this.#turn;
    const current = () => turn === this.#turn;
    this.loading.value = true;
    this.problem.value = null;
    try {
      await read(current);
    } catch (error) {
      if (current()) this.problem.value = asProblem(error);
    } finally {
      if (current()) {
        this.loading.value = false;
        this.#show();
      }
    }
  }

  #goOn({ next }: Page): void {
    this.#next = next ? () => followEvents(next) : undefined;
    this.more.value = this.#next !== undefined;
  }

  /** Take those that are new; whether there were any. */
  #add(events: readonly LoggedEvent[]): boolean {
    const fresh = events.filter((event) => !this.#known.has(event.seq));
    fresh.sort((one, other) => one.seq - other.seq);
    for (const event of fresh) {
      this.#known.add(event.seq);
      const moment = momentOf(event);
      const { call, fresh: isNew } = this.#calls.take(moment);
      if (isNew) this.#moments.push(moment);
      else addReport(call.shown, moment);
    }
    return fresh.length > 0;
  }

  /** Have what was taken drawn. */
  #show(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#moments.sort((one, other) => other.atMs - one.atMs || other.seq - one.seq);
    if (this.read > MOST) {
      const gone = this.#moments.splice((this.#moments.length * 0.9) | 0);
      for (const seq of gone.flatMap((each) => each.seqs)) this.#known.delete(seq);
      this.#calls = new Calls();
      this.#next = undefined; // what is before them is the feed's
      this.more.value = false;
    }
    this.revision.value++;
  }

  #newest(): number {
    return this.#moments.reduce((most, each) => Math.max(most, each.seq), 0);
  }
}

/**
 * The page's one store: a cursor over the org's stream.
 *
 * It begins with the newest events and goes on from there, whatever is cut. What came while nobody
 * looked is not streamed but named (`missed`), so that a night away costs one request; lists read
 * it when somebody wants it. It holds a bounded number of events; older ones are the lists'.
 */

import { signal } from "@preact/signals";
import { type LoggedEvent, listEvents, parseEvent } from "../api/events.ts";
import { ApiError } from "../api/http.ts";
import { keep, kept } from "../app/kept.ts";
import { onGap, onSaid } from "./said.ts";

/**
 * - `starting`: the newest events are being read
 * - `live`: each event arrives as it is sealed
 * - `cut`: the connection is lost, and being made again
 * - `failed`: it can't be made; `trouble` says why, and what to do
 * - `stopped`: nobody is signed in
 */
export type State = "stopped" | "starting" | "live" | "cut" | "failed";

/** Events that came while this page was not looking: those beyond `after`, up to `until`. */
export interface Missed {
  after: number;
  until: number;
}

export type Listener = (events: readonly LoggedEvent[]) => void;

export const MAX_EVENTS = 10_000;
const MAX_CHARS = 24_000_000;
const FIRST_PAGE = 200;
const FLUSH_MS = 50;
const MAX_PENDING = 2_000;
const LONG_CUT_MS = 60_000;
const REMEMBER_MS = 2_000;
const WAITS_MS = [500, 1_000, 2_000, 5_000, 10_000, 30_000];

export class Log {
  readonly state = signal<State>("stopped");
  readonly trouble = signal("");
  /** The seq of the last event that was read. */
  readonly head = signal(0);
  /** Grows whenever `events` changed, twenty times a second at most. */
  readonly revision = signal(0);
  readonly missed = signal<Missed | null>(null);
  /** The seq before which the ledger's events are older than its retention. */
  readonly firstKept = signal(1);

  /** How often `events` began anew, with a hole before it: what was made of those before ends. */
  epoch = 0;

  #org = "";
  #events: LoggedEvent[] = [];
  #chars = 0;
  #pending: LoggedEvent[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #flushedAt = 0;
  #source: EventSource | undefined;
  #heardAt = 0;
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #run = 0;
  #rememberedAt = 0;
  #listeners = new Set<Listener>();

  /** The newest events that it holds, the oldest first. Not to be changed. */
  get events(): readonly LoggedEvent[] {
    return this.#events;
  }

  /** Be told of events as they come, in order. Returns what ends it. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Watch an org, if it is not watched already; what was watched before is forgotten. */
  start(org: string): void {
    if (org === this.#org) return;
    this.stop();
    this.#org = org;
    this.head.value = this.#remembered();
    this.state.value = "starting";
    void this.#begin();
  }

  stop(): void {
    this.remember();
    this.#run++;
    this.#close();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#org = "";
    this.#drop();
    this.#pending = [];
    this.#failures = 0;
    this.head.value = 0;
    this.firstKept.value = 1;
    this.missed.value = null;
    this.trouble.value = "";
    this.state.value = "stopped";
    this.revision.value++;
  }

  /** Try again at once, if it waits to. */
  retryNow(): void {
    if (this.#retry !== undefined || this.state.value === "failed") this.#reopen();
  }

  /** The page is shown again after a while, or the network is back: browsers suspend streams. */
  wake(awayMs = 0): void {
    if (this.#org === "" || this.state.value === "starting") return;
    if (this.#source?.readyState === EventSource.OPEN && awayMs < LONG_CUT_MS) return;
    this.#reopen();
  }

  /** Keep for this tab how far it was read, for the next time that the page is loaded. */
  remember(): void {
    if (this.#org !== "" && this.head.value > 0) {
      keep(() => sessionStorage, `tocsin.seen.${this.#org}`, String(this.head.value));
    }
  }

  #remembered(): number {
    return Number(kept(() => sessionStorage, `tocsin.seen.${this.#org}`)) || 0;
  }

  /** Read the newest events, take those that are new, and stream what comes after them. */
  async #begin(): Promise<void> {
    const run = ++this.#run;
    const seen = this.head.value;
    this.#close();
    try {
      const { events } = await listEvents({}, { limit: FIRST_PAGE });
      if (run !== this.#run) return;
      events.reverse();
      const first = events[0]?.seq ?? 0;
      const newest = events.at(-1)?.seq ?? 0;
      const unseen = seen > 0 && newest > seen;
      // Another ledger (restored, or made anew), or a hole behind what is held.
      if (newest < seen || (unseen && first > seen + 1)) this.#drop();
      if (unseen && this.#events.length === 0) this.missed.value = { after: seen, until: newest };
      const held = this.#events.at(-1)?.seq ?? 0;
      this.#pending.push(...events.filter((event) => event.seq > held));
      this.head.value = newest;
      this.#flush();
      this.#failures = 0;
      this.#open();
    } catch (error) {
      if (run === this.#run) this.#failed(error);
    }
  }

  #open(): void {
    this.#close();
    const run = this.#run;
    const source = new EventSource(`/api/v1/events/stream?after=${this.head.value}`);
    this.#source = source;
    this.#heardAt = Date.now();
    source.onopen = () => {
      this.#heardAt = Date.now();
      this.state.value = "live";
      this.trouble.value = "";
    };
    source.addEventListener("agent_event", (message) => this.#message(message));
    source.addEventListener("cursor", (message) => this.#message(message));
    source.addEventListener("gap", (message) => {
      const gap = onGap(message);
      if (gap) this.firstKept.value = Math.max(this.firstKept.value, gap.firstSeq);
    });
    source.addEventListener("error", (message) => {
      if (run !== this.#run) return;
      if (message instanceof MessageEvent) {
        this.trouble.value = onSaid(message); // why Tocsin ends this stream, in its own words
        return;
      }
      this.#cut(source);
    });
  }

  #message(message: MessageEvent<string>): void {
    this.#heardAt = Date.now();
    if (message.type !== "agent_event") return;
    let event: LoggedEvent;
    try {
      event = parseEvent(message.data);
    } catch {
      return; // cut off in the middle: it comes again
    }
    if (event.seq <= this.head.value) return; // seen already: a repetition
    this.head.value = event.seq;
    this.#pending.push(event);
    const since = performance.now() - this.#flushedAt;
    if (since >= FLUSH_MS || this.#pending.length >= MAX_PENDING) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS - since);
  }

  #cut(source: EventSource): void {
    this.state.value = "cut";
    const long = Date.now() - this.#heardAt > LONG_CUT_MS;
    if (source.readyState !== EventSource.CLOSED && !long) return; // the browser tries again
    this.#close();
    this.#later();
  }

  #later(): void {
    const wait = WAITS_MS[Math.min(this.#failures++, WAITS_MS.length - 1)] ?? 0;
    this.#retry = setTimeout(() => this.#reopen(), wait * (0.75 + Math.random() / 2));
  }

  /** Begin again from the newest: it tells whether anybody is signed in still, and what came. */
  #reopen(): void {
    this.#flush();
    this.state.value = "cut";
    void this.#begin();
  }

  #failed(error: unknown): void {
    const status = error instanceof ApiError ? error.status : 0;
    this.trouble.value = error instanceof Error ? error.message : String(error);
    if (status === 401) return; // the session hears of it, and stops this
    if (status === 403) {
      this.state.value = "failed";
      return;
    }
    this.state.value = "cut";
    this.#later();
  }

  #drop(): void {
    this.epoch++;
    this.#events = [];
    this.#chars = 0;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#flushedAt = performance.now();
    const came = this.#pending;
    this.#pending = [];
    for (const event of came) {
      this.#events.push(event);
      this.#chars += event.text.length;
    }
    this.#forget();
    for (const listener of this.#listeners) listener(came);
    this.revision.value++;
    if (this.#flushedAt - this.#rememberedAt > REMEMBER_MS && !document.hidden) {
      this.#rememberedAt = this.#flushedAt;
      this.remember();
    }
  }

  /** Let go of the oldest events beyond what is held, a tenth at once. */
  #forget(): void {
    if (this.#events.length <= MAX_EVENTS && this.#chars <= MAX_CHARS) return;
    let count = Math.max(this.#events.length - MAX_EVENTS * 0.9, 0) | 0;
    let chars = this.#chars;
    for (let index = 0; index < this.#events.length; index++) {
      if (index >= count && chars <= MAX_CHARS * 0.9) break;
      chars -= this.#events[index]?.text.length ?? 0;
      count = Math.max(count, index + 1);
    }
    count = Math.min(count, this.#events.length - 1);
    this.#events = this.#events.slice(count);
    this.#chars = this.#events.reduce((sum, event) => sum + event.text.length, 0);
  }

  #close(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#source?.close();
    this.#source = undefined;
  }
}

export const log = new Log();

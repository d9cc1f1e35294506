/** Which calls wait, from the list and from the stream, in whatever order the two tell of it. */

import { askedOf, ENDED, type Listed, type Outcome, outcomeOf } from "../../api/approvals.ts";
import type { LoggedEvent } from "../../api/events.ts";

const ENDS = new Set(ENDED.split(","));
const MAX_OUTCOMES = 2_000;

/**
 * An approval leaves `pending` once and never comes back: what is known to have ended has ended,
 * however late something else arrives.
 */
export class Calls {
  #waiting = new Map<string, Listed>();
  #outcomes = new Map<string, Outcome>();
  /** Those that came while the list is being read: it may not have them yet. */
  #came: Map<string, Listed> | undefined;

  /** Those that wait, the oldest first: their ids are in the order of time. */
  get waiting(): readonly Listed[] {
    return [...this.#waiting.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** How one ended; undefined: it waits, or it is not known any more. */
  outcome(id: string): Outcome | undefined {
    return this.#outcomes.get(id);
  }

  /** Take what the stream tells; returns whether any of it concerns approvals. */
  told(events: readonly LoggedEvent[]): boolean {
    let changed = false;
    for (const event of events) {
      if (event.type === "approval.created") {
        const asked = askedOf(event);
        if (this.#outcomes.has(asked.id)) continue;
        this.#waiting.set(asked.id, asked);
        this.#came?.set(asked.id, asked);
      } else if (ENDS.has(event.type)) this.ended(outcomeOf(event));
      else continue;
      changed = true;
    }
    return changed;
  }

  ended(outcome: Outcome): void {
    this.#waiting.delete(outcome.id);
    this.#outcomes.delete(outcome.id);
    this.#outcomes.set(outcome.id, outcome);
    if (this.#outcomes.size <= MAX_OUTCOMES) return;
    const [oldest] = this.#outcomes.keys();
    if (oldest !== undefined) this.#outcomes.delete(oldest);
  }

  /** The list is about to be read. */
  reading(): void {
    this.#came = new Map();
  }

  /** This is the list that was read since. */
  listed(all: readonly Listed[]): void {
    const known = [...all, ...(this.#came?.values() ?? [])];
    this.#came = undefined;
    this.#waiting = new Map(
      known.filter((each) => !this.#outcomes.has(each.id)).map((each) => [each.id, each]),
    );
  }

  clear(): void {
    this.#waiting.clear();
    this.#outcomes.clear();
    this.#came = undefined;
  }
}

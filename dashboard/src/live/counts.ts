/** How many events there were each minute, by tool and by action; bounded, whatever comes. */

import type { LoggedEvent } from "../api/events.ts";

export const GROUPS = ["tool", "action"] as const;
export type Group = (typeof GROUPS)[number];

/** The longest time that is counted. */
export const MAX_MINUTES = 360;
const MAX_NAMES = 200;
const MINUTE_MS = 60_000;
const ULID = "0123456789abcdefghjkmnpqrstvwxyz";

/** One of the names that are shown: its counts, minute by minute. */
export interface Row {
  name: string;
  counts: number[];
  total: number;
}

export interface Counted {
  /** The minutes, in minutes since 1970, the oldest first. */
  minutes: number[];
  /** The names with the most events, the most first. */
  rows: Row[];
  /** What all others have together. */
  other: Row;
  total: number;
}

/** Counts by name. Beyond 200 names those with the fewest events are counted as `other`. */
class Names {
  readonly counts = new Map<string, number>();
  other = 0;

  add(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    if (this.counts.size < 2 * MAX_NAMES) return;
    const fewest = [...this.counts].sort((a, b) => b[1] - a[1]).slice(MAX_NAMES);
    for (const [each, count] of fewest) {
      this.counts.delete(each);
      this.other += count;
    }
  }
}

export class Counts {
  #minutes = new Map<number, Record<Group, Names>>();
  /** The newest minute that had an event. */
  newest = 0;

  /** Count an event in its minute, unless that is too long ago. */
  add(event: LoggedEvent): void {
    const minute = minuteOf(event);
    if (minute <= this.newest - MAX_MINUTES) return;
    let names = this.#minutes.get(minute);
    if (!names) {
      names = { tool: new Names(), action: new Names() };
      this.#minutes.set(minute, names);
      if (minute > this.newest) this.#forget(minute);
    }
    for (const group of GROUPS) names[group].add(event[group]);
  }

  /** How many names it holds, of all minutes. */
  get size(): number {
    let size = 0;
    for (const names of this.#minutes.values()) {
      for (const group of GROUPS) size += names[group].counts.size;
    }
    return size;
  }

  /** Return the minutes from one to another, both included, with the names that have the most. */
  read(group: Group, from: number, to: number, most: number): Counted {
    const minutes = Array.from({ length: Math.max(to - from + 1, 0) }, (_, index) => from + index);
    const totals = new Map<string, number>();
    let total = 0;
    for (const minute of minutes) {
      const names = this.#minutes.get(minute)?.[group];
      total += names?.other ?? 0;
      for (const [name, count] of names?.counts ?? []) {
        totals.set(name, (totals.get(name) ?? 0) + count);
        total += count;
      }
    }
    const top = [...totals].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, most);
    const rows = top.map(([name, sum]) => ({ name, total: sum, counts: minutes.map(() => 0) }));
    const other = { name: "", total: 0, counts: minutes.map(() => 0) };
    minutes.forEach((minute, index) => {
      const names = this.#minutes.get(minute)?.[group];
      if (!names) return;
      let rest = names.other;
      for (const count of names.counts.values()) rest += count;
      for (const row of rows) {
        const count = names.counts.get(row.name) ?? 0;
        row.counts[index] = count;
        rest -= count;
      }
      other.counts[index] = rest;
      other.total += rest;
    });
    return { minutes, rows, other, total };
  }

  #forget(newest: number): void {
    this.newest = newest;
    for (const minute of this.#minutes.keys()) {
      if (minute <= newest - MAX_MINUTES) this.#minutes.delete(minute);
    }
  }
}

/**
 * The minute that an event is counted in: that of its receipt, as senders' clocks lie; an import's
 * is that of its timestamp, as detection counts it.
 */
export function minuteOf(event: LoggedEvent): number {
  let at = receivedMs(event);
  if (event.text.includes('"backfill":true') && isImported(event)) {
    at = Math.min(Date.parse(event.at) || at, at);
  }
  return Math.floor(at / MINUTE_MS);
}

/** When Tocsin received an event (Unix ms): its id, `evt_` and a ULID, says so. */
export function receivedMs(event: LoggedEvent): number {
  let at = 0;
  for (const digit of event.id.slice(4, 14)) at = at * 32 + ULID.indexOf(digit);
  return at;
}

/**
 * Return names in places, so many at most, that stay theirs while they are among `names`: so
 * colours do not jump. A place goes to another name only where there is no free one.
 */
export function places(before: readonly string[], names: readonly string[], most: number) {
  const kept = [...before];
  for (const name of names) {
    if (kept.includes(name)) continue;
    if (kept.length < most) kept.push(name);
    else kept[kept.findIndex((each) => !names.includes(each))] = name;
  }
  return kept;
}

function isImported(event: LoggedEvent): boolean {
  return (JSON.parse(event.text) as { backfill?: unknown }).backfill === true;
}

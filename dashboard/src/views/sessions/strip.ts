/**
 * A session drawn against time: a lane for each of the tools that are called most, and columns of
 * equal time in which something happened.
 *
 * Long pauses are cut out, and named: so a session that rested for a night, or an event of a clock
 * that was wrong, leaves the rest as it was.
 */

import type { Moment, Outcome } from "../../ui/moment.ts";

export const COLUMNS = 240;
const LANES = 7;
const PAUSE_COLUMNS = 6;
const MOST_PAUSES = 6;
/** The part of the time that is left at which a pause is cut out. */
const LONG = 0.25;
const SHORTEST_PAUSE_MS = 60_000;

/** What happened in one column of a lane. */
export interface Mark {
  column: number;
  count: number;
  /** How many of them ended so. */
  of: Partial<Record<Outcome, number>>;
}

export interface Lane {
  name: string;
  count: number;
  marks: Mark[];
}

export interface Pause {
  /** The first of the columns that stand for it, and the first after them. */
  from: number;
  to: number;
  ms: number;
}

export interface Strip {
  lanes: Lane[];
  pauses: Pause[];
  /** How many tools share the last lane; 0: each has its own. */
  others: number;
  /** The most events in one column of one lane. */
  most: number;
  fromMs: number;
  toMs: number;
}

/** Lay out moments, whatever their order. */
export function stripOf(moments: readonly Moment[]): Strip {
  const times = moments.map((each) => each.atMs).sort((one, other) => one - other);
  const fromMs = times[0] ?? 0;
  const toMs = times.at(-1) ?? 0;
  const { columnOf, pauses } = columns(times);
  const counts = new Map<string, number>();
  for (const { what } of moments) counts.set(what, (counts.get(what) ?? 0) + 1);
  const named = [...counts].sort(
    (one, other) => rank(other[0]) - rank(one[0]) || other[1] - one[1],
  );
  const alone = named.length <= LANES + 1 ? named : named.slice(0, LANES);
  const others = named.length - alone.length;
  const lanes = alone.map(([name, count]): Lane => ({ name, count, marks: [] }));
  const rest: Lane = { name: "", count: 0, marks: [] };
  const laneOf = new Map(lanes.map((lane) => [lane.name, lane]));
  const marks = new Map<Lane, Map<number, Mark>>();
  for (const moment of moments) {
    const lane = laneOf.get(moment.what) ?? rest;
    if (lane === rest) rest.count++;
    const column = columnOf(moment.atMs);
    const of = marks.get(lane) ?? new Map<number, Mark>();
    marks.set(lane, of);
    const mark = of.get(column) ?? { column, count: 0, of: {} };
    of.set(column, mark);
    mark.count++;
    mark.of[moment.outcome] = (mark.of[moment.outcome] ?? 0) + 1;
  }
  const all = others > 0 ? [...lanes, rest] : lanes;
  let most = 1;
  for (const lane of all) {
    lane.marks = [...(marks.get(lane)?.values() ?? [])];
    for (const mark of lane.marks) most = Math.max(most, mark.count);
  }
  return { lanes: all, pauses, others, most, fromMs, toMs };
}

/** Anomalies have a lane, however few they are. */
const rank = (name: string) => (name === "anomaly" ? 1 : 0);

/** Where each time stands, given all of them in order. */
function columns(times: readonly number[]): {
  columnOf: (ms: number) => number;
  pauses: Pause[];
} {
  const first = times[0] ?? 0;
  let left = (times.at(-1) ?? 0) - first;
  const gaps: { from: number; ms: number }[] = [];
  for (let index = 1; index < times.length; index++) {
    const from = times[index - 1] ?? 0;
    const ms = (times[index] ?? 0) - from;
    if (ms >= SHORTEST_PAUSE_MS) gaps.push({ from, ms });
  }
  const cut: typeof gaps = [];
  for (const gap of gaps.sort((one, other) => other.ms - one.ms)) {
    if (cut.length === MOST_PAUSES || gap.ms < left * LONG) break;
    cut.push(gap);
    left -= gap.ms;
  }
  cut.sort((one, other) => one.from - other.from);
  const width = COLUMNS - cut.length * PAUSE_COLUMNS - 1;
  const scale = left > 0 ? width / left : 0;
  const place = (ms: number) => {
    let shift = 0;
    let gone = 0;
    for (const gap of cut) {
      if (ms <= gap.from) break;
      shift += PAUSE_COLUMNS;
      gone += gap.ms;
    }
    return Math.floor((ms - first - gone) * scale) + shift;
  };
  const pauses = cut.map((gap) => {
    const from = place(gap.from) + 1;
    return { from, to: from + PAUSE_COLUMNS - 1, ms: gap.ms };
  });
  return { columnOf: (ms) => Math.max(0, Math.min(place(ms), COLUMNS - 1)), pauses };
}

/** Costs over time: the hours or days of a range, each with what its agents, models or tools had. */

import { type CostGroup, type CostRow, costBreakdown, type Span } from "../../api/costs.ts";

export const RANGES = { "24h": "24 hours", "7d": "7 days", "30d": "30 days" } as const;
export type Range = keyof typeof RANGES;

export const FIGURES = { cost: "cost_usd", tokens: "tokens", calls: "requests" } as const;
export type Figure = keyof typeof FIGURES;

const HOUR_SECONDS = 3_600;
const DAY_SECONDS = 86_400;
const AT_ONCE = 4;
/** Projections follow within a minute: what is older than this many buckets is not read again. */
const UNSETTLED = 2;

/** Bars of a range that ends now: how long each is (s), and when each begins (Unix s, in UTC). */
export interface Buckets {
  step: number;
  times: number[];
}

export function bucketsOf(range: Range, nowMs: number): Buckets {
  const step = range === "24h" ? HOUR_SECONDS : DAY_SECONDS;
  const count = { "24h": 24, "7d": 7, "30d": 30 }[range];
  const last = Math.floor(nowMs / 1_000 / step) * step;
  return { step, times: Array.from({ length: count }, (_, n) => last - (count - 1 - n) * step) };
}

export function spanOf(times: readonly number[], step: number): Span {
  const iso = (at: number) => new Date(at * 1_000).toISOString();
  return { from: iso(times[0] ?? 0), to: iso((times.at(-1) ?? 0) + step) };
}

/**
 * Read what each bucket had; of what was read before, the newest alone is read again.
 *
 * The API has no time series by name: so each bucket is a breakdown of its own, four at a time.
 */
export async function readBuckets(
  { step, times }: Buckets,
  group: CostGroup,
  before: ReadonlyMap<number, CostRow[]>,
  signal: AbortSignal,
): Promise<Map<number, CostRow[]>> {
  const rows = new Map<number, CostRow[]>();
  const settled = times.at(-UNSETTLED) ?? 0;
  const wanted: number[] = [];
  for (const at of times) {
    const known = at < settled ? before.get(at) : undefined;
    if (known) rows.set(at, known);
    else wanted.push(at);
  }
  const work = async () => {
    for (let at = wanted.pop(); at !== undefined; at = wanted.pop()) {
      rows.set(at, await costBreakdown(spanOf([at], step), group, signal));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return rows;
}

/** One name over a range, with its share of each bucket. */
export interface Cost extends CostRow {
  byBucket: CostRow[];
}

/** Add up what each name had; `byBucket` is in the order of `times`. The most of `figure` first. */
export function addUp(
  times: readonly number[],
  rows: ReadonlyMap<number, CostRow[]>,
  figure: Figure,
): Cost[] {
  const none = { requests: 0, tokens: 0, cost_usd: 0 };
  const costs = new Map<string, Cost>();
  times.forEach((at, index) => {
    for (const row of rows.get(at) ?? []) {
      const { group, other } = row;
      const name = `${other} ${group}`; // somebody may be called "other"
      let cost = costs.get(name);
      if (!cost) {
        cost = { ...none, group, other, byBucket: times.map(() => ({ ...none, group, other })) };
        costs.set(name, cost);
      }
      cost.requests += row.requests;
      cost.tokens += row.tokens;
      cost.cost_usd += row.cost_usd;
      cost.byBucket[index] = row;
    }
  });
  const by = FIGURES[figure];
  return [...costs.values()].sort(
    (a, b) => Number(a.other) - Number(b.other) || b[by] - a[by] || (a.group < b.group ? -1 : 1),
  );
}

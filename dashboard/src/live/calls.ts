/**
 * Several reports of one call, as in layers/tocsin/domain/reports.py: a hook, an exporter and a
 * relay may each tell of the same. They are one row, which stays where its first one was shown.
 */

/** For so long, and within so many events, reports of a call belong together. */
export const CALL_MS = 600_000;
const MOST_EVENTS = 100_000;
const UNIQUE_CHARS = 16;
/** An id may come back after that time; so many of its calls are known. */
const MOST_AGAIN = 9;
/** The gravest first: what is shown of a call. */
const ACTIONS = ["deny", "ask", "alert", "watch", "allow"];

export interface Report {
  seq: number;
  /** Which call it is of; empty: nothing says. */
  callKey: string;
  receivedMs: number;
  /** By which way it came, if that has a name. */
  via: string;
}

/** A call, or an event that is of none. */
export interface Call<R> {
  /** The one whose place it has. */
  shown: R;
  /** All that are known, in the order in which they were. */
  reports: R[];
}

/** Return which call an event reports. A short id may be another agent's or session's, too. */
export function callKeyOf(kind: string, id: string, agent: string, session: string): string {
  const own = [...id.slice(0, 2 * UNIQUE_CHARS)].length < UNIQUE_CHARS;
  return JSON.stringify(own ? [kind, id, agent, session] : [kind, id]);
}

/** A call, with the first and the last of its reports. */
interface Known<R> {
  call: Call<R>;
  ms: [number, number];
  seq: [number, number];
}

export class Calls<R extends Report> {
  #known = new Map<string, Known<R>[]>();

  /** Take a report. Returns its call, and whether that is new. */
  take(report: R): { call: Call<R>; fresh: boolean } {
    const { callKey, receivedMs, seq } = report;
    const calls = this.#known.get(callKey) ?? [];
    for (const known of calls) {
      const ms = widened(known.ms, receivedMs);
      const seqs = widened(known.seq, seq);
      if (ms[1] - ms[0] > CALL_MS || seqs[1] - seqs[0] > MOST_EVENTS) continue;
      Object.assign(known, { ms, seq: seqs });
      known.call.reports.push(report);
      return { call: known.call, fresh: false };
    }
    const call: Call<R> = { shown: report, reports: [report] };
    if (callKey) {
      const known: Known<R> = { call, ms: [receivedMs, receivedMs], seq: [seq, seq] };
      this.#known.set(callKey, [...calls.slice(-MOST_AGAIN), known]);
    }
    return { call, fresh: true };
  }
}

function widened([least, most]: [number, number], by: number): [number, number] {
  return [Math.min(least, by), Math.max(most, by)];
}

/** What was done about a call: the gravest that a report says. */
export function actionOf(reports: readonly { action: string }[]): string {
  const said = new Set(reports.map((each) => each.action));
  return ACTIONS.find((each) => said.has(each)) ?? reports[0]?.action ?? "";
}

/** From how many reports it is known, and by which ways they came; empty: from one. */
export function reportsOf(told: number, ways: readonly string[]): string {
  if (told < 2) return "";
  const named = [...new Set(ways.filter(Boolean))].slice(0, 4).join(", ");
  return `${told} reports${named ? `: ${named}` : ""}`;
}

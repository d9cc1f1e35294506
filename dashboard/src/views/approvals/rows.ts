/** The rows of the list: none moves while somebody may be about to click on it. */

import type { Listed } from "../../api/approvals.ts";

/**
 * Those that wait in the places that they had, new ones after them. What does not wait any more
 * keeps its place if it is `kept`, so that nothing slides under a pointer.
 */
export function nextRows(
  before: readonly Listed[],
  waiting: readonly Listed[],
  kept: (id: string) => boolean,
): Listed[] {
  const now = new Map(waiting.map((each) => [each.id, each]));
  const had = new Set(before.map((each) => each.id));
  return [
    ...before.flatMap((each) => now.get(each.id) ?? (kept(each.id) ? [each] : [])),
    ...waiting.filter((each) => !had.has(each.id)),
  ];
}

/** The one so many steps beyond `id` of those that wait; undefined: there is none. */
export function stepFrom(
  rows: readonly Listed[],
  waits: (id: string) => boolean,
  id: string,
  step: 1 | -1,
): string | undefined {
  const at = rows.findIndex((each) => each.id === id);
  const rest = step === 1 ? rows.slice(at + 1) : rows.slice(0, at < 0 ? rows.length : at).reverse();
  return rest.find((each) => waits(each.id))?.id;
}

/** What the calls of one run have in common, which can be resolved together; "": it is of none. */
export function runOf(call: Listed): string {
  if (!call.run_id) return "";
  // Events say where a call without a session was put; approvals say that it has none.
  const session = call.session === "ses_tocsin" ? "" : call.session;
  return JSON.stringify([call.agent, session, call.run_id, call.credential_owner]);
}

/** How many of each run there are. */
export function runsOf(calls: readonly Listed[]): Map<string, number> {
  const runs = new Map<string, number>();
  for (const run of calls.map(runOf)) if (run) runs.set(run, (runs.get(run) ?? 0) + 1);
  return runs;
}

/** The time that is left, for people: `1:05`, `2 h 05 min`; "": it is over. */
export function leftText(seconds: number): string {
  const left = Math.ceil(seconds);
  if (!(left > 0)) return "";
  const pad = (value: number) => String(value).padStart(2, "0");
  if (left < 3_600) return `${Math.floor(left / 60)}:${pad(left % 60)}`;
  const minutes = Math.floor(left / 60);
  if (left < 86_400) return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
  return `${Math.floor(left / 86_400)} d ${Math.floor(minutes / 60) % 24} h`;
}

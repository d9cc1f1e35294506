/** Reading again when something is due, which no event of the stream tells of. */

import { useEffect, useRef } from "preact/hooks";
import { offsetMs } from "../../api/clock.ts";
import { now } from "../../ui/time.ts";

const SOONEST_MS = 3_000;
/** What is due is done a moment later; if it is not, the page asks now and then. */
const AFTER_MS = 1_500;
const LATE_MS = 10_000;
const LONGEST_MS = 3_600_000;

/** The time at Tocsin, in milliseconds. */
export const serverNow = () => now.value + offsetMs();

/** Call `again` once the time `at` (ISO; "": never) is there, while somebody sees the page. */
export function useDue(at: string, again: () => void): void {
  const latest = useRef(again);
  latest.current = again;
  useEffect(() => {
    if (!at) return;
    const run = () => {
      if (!document.hidden) latest.current();
      timer = setTimeout(run, LATE_MS);
    };
    const wait = Date.parse(at) - Date.now() - offsetMs() + AFTER_MS;
    let timer = setTimeout(run, Math.min(Math.max(wait, SOONEST_MS), LONGEST_MS));
    return () => clearTimeout(timer);
  }, [at]);
}

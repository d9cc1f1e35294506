/** Reading a view again as events come that concern it: soon, and never often. */

import { useEffect, useRef } from "preact/hooks";
import type { LoggedEvent } from "../api/events.ts";
import { log } from "../live/log.ts";

const SOON_MS = 400;
const EVERY_MS = 3_000;
/** Figures are counted from sealed events, and so up to a minute after these are streamed. */
const COUNTED_MS = [5_000, 10_000, 20_000, 40_000];

/** Call `again` after such events, unless it is `busy` still or nobody sees the page. */
export function useLive(
  concerns: (event: LoggedEvent) => boolean,
  again: () => void,
  busy: boolean,
) {
  const latest = useRef({ concerns, again, busy });
  latest.current = { concerns, again, busy };
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let due = Number.POSITIVE_INFINITY;
    let ranAt = Number.NEGATIVE_INFINITY;
    let unseen = false;
    let after = COUNTED_MS.length;
    const plan = (ms: number) => {
      const at = Math.max(performance.now() + ms, ranAt + EVERY_MS);
      if (at >= due) return;
      clearTimeout(timer);
      due = at;
      timer = setTimeout(run, at - performance.now());
    };
    const run = () => {
      due = Number.POSITIVE_INFINITY;
      if (document.hidden) {
        unseen = true;
        return;
      }
      if (latest.current.busy) return plan(SOON_MS);
      ranAt = performance.now();
      unseen = false;
      latest.current.again();
      const next = COUNTED_MS[after++];
      if (next !== undefined) plan(next);
    };
    const seen = () => {
      if (!document.hidden && unseen) plan(0);
    };
    if (log.events.some((event) => latest.current.concerns(event))) {
      after = 0;
      plan(EVERY_MS); // what came just before this was opened may not be counted yet
    }
    const unlisten = log.listen((events) => {
      if (!events.some(latest.current.concerns)) return;
      after = 0;
      plan(SOON_MS);
    });
    let was = log.state.peek();
    const unsubscribe = log.state.subscribe((state) => {
      if (state === "live" && was !== "live") plan(SOON_MS); // whatever came while it was cut
      was = state;
    });
    document.addEventListener("visibilitychange", seen);
    return () => {
      clearTimeout(timer);
      unlisten();
      unsubscribe();
      document.removeEventListener("visibilitychange", seen);
    };
  }, []);
}

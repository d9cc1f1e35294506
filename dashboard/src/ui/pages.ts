/** A list that is read page by page, and read again from its beginning as it changes. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "../api/http.ts";
import type { Asked, Found } from "../api/pages.ts";
import { asProblem } from "./load.ts";

const PAGE = 50;
const MOST = 1_000;

export interface Pages<T> {
  /** undefined: nothing was read yet. */
  items: readonly T[] | undefined;
  total: number | undefined;
  problem: ApiError | undefined;
  loading: boolean;
  /** Read the next page; undefined: there is none. */
  more: (() => void) | undefined;
  reload: () => void;
}

interface Held<T> extends Found<T> {
  over: string;
  scrolled: number;
}

/** What each list held when it was left, so that one comes back to where one was. */
const left = new Map<string, Held<unknown>>();

/** The list `name`, read with `read`, and anew whenever one of `over` changes. */
export function usePages<T extends { id: string }>(
  name: string,
  read: (asked: Asked, signal: AbortSignal) => Promise<Found<T>>,
  over: readonly string[],
): Pages<T> {
  const of = JSON.stringify(over);
  const kept = left.get(name) as Held<T> | undefined;
  const [held, setHeld] = useState(kept?.over === of ? kept : undefined);
  const [problem, setProblem] = useState<ApiError>();
  const [loading, setLoading] = useState(true);
  const reading = useRef<AbortController | null>(null);
  const shown = held?.over === of ? held : undefined;

  const load = async (next: string | undefined) => {
    reading.current?.abort();
    const abort = new AbortController();
    const { signal } = abort;
    reading.current = abort;
    setLoading(true);
    try {
      const had = shown?.items ?? [];
      const limit = next ? PAGE : Math.min(Math.max(had.length, PAGE), MOST);
      const found = await read({ limit, next }, signal);
      if (signal.aborted) return;
      const items = next ? joined(had, found.items) : renewed(had, found);
      const goesOn = next || items.length === found.items.length ? found.next : shown?.next;
      const scrolled = (left.get(name)?.over === of && left.get(name)?.scrolled) || 0;
      const now: Held<T> = { ...found, items, next: goesOn, over: of, scrolled };
      left.set(name, now);
      setHeld(now);
      setProblem(undefined);
    } catch (error) {
      if (!signal.aborted) setProblem(asProblem(error));
    } finally {
      if (!signal.aborted) setLoading(false);
    }
  };
  useEffect(() => {
    void load(undefined);
    return () => reading.current?.abort();
  }, [of]);
  useLayoutEffect(() => {
    const main = document.querySelector("main");
    if (!main) return;
    main.scrollTop = shown?.scrolled ?? 0;
    const follow = () => {
      const mine = left.get(name);
      if (mine) mine.scrolled = main.scrollTop;
    };
    main.addEventListener("scroll", follow, { passive: true });
    return () => main.removeEventListener("scroll", follow);
  }, []);
  const next = shown?.next;
  return {
    items: shown?.items,
    total: shown?.total,
    problem,
    loading,
    more: next === undefined ? undefined : () => void load(next),
    reload: () => void load(undefined),
  };
}

/** A next page behind what was there; what moved meanwhile stands once. */
function joined<T extends { id: string }>(had: readonly T[], more: readonly T[]): T[] {
  const new_ = new Set(more.map((each) => each.id));
  return [...had.filter((each) => !new_.has(each.id)), ...more];
}

/** What was read again; beyond the most that one request gives, what was there before. */
function renewed<T extends { id: string }>(had: readonly T[], found: Found<T>): T[] {
  if (had.length <= MOST || found.next === undefined) return found.items;
  const fresh = new Set(found.items.map((each) => each.id));
  return [...found.items, ...had.slice(MOST).filter((each) => !fresh.has(each.id))];
}

/** Reading something for a view: loading, there, or not to be had, and reading it again. */

import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/http.ts";

export interface Loaded<T> {
  /** What was read last; undefined: nothing yet. It stays while it is read again. */
  value: T | undefined;
  problem: ApiError | undefined;
  loading: boolean;
  reload: () => void;
}

/** Read with `read` now, and again whenever one of `over` changes. */
export function useLoaded<T>(
  read: (signal: AbortSignal) => Promise<T>,
  over: readonly unknown[],
): Loaded<T> {
  const [state, setState] = useState<Omit<Loaded<T>, "reload">>({
    value: undefined,
    problem: undefined,
    loading: true,
  });
  const [turn, setTurn] = useState(0);
  const last = useRef<readonly unknown[]>(over);
  useEffect(() => {
    const abort = new AbortController();
    const same = over.every((each, index) => Object.is(each, last.current[index]));
    last.current = over;
    setState((was) => ({ ...was, value: same ? was.value : undefined, loading: true }));
    read(abort.signal).then(
      (value) => {
        if (!abort.signal.aborted) setState({ value, problem: undefined, loading: false });
      },
      (error: unknown) => {
        if (abort.signal.aborted) return;
        setState((was) => ({ value: was.value, problem: asProblem(error), loading: false }));
      },
    );
    return () => abort.abort();
  }, [...over, turn]);
  return { ...state, reload: () => setTurn((was) => was + 1) };
}

/** Whatever was thrown, as what the page can say. */
export function asProblem(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const said = error instanceof Error ? error.message : String(error);
  return new ApiError(-1, "BUG", `Something is wrong with this page: ${said}`, undefined, 0);
}

/** Requests to the documented API, with the sign-in's cookie. */

import { refused } from "../app/refused.ts";
import { heardDate } from "./clock.ts";

/** A request that was not answered with 2xx. `status` 0: there was no answer. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: unknown;
  /** How long Tocsin asks to wait before the request is sent again; 0: it does not say. */
  readonly retryAfterSeconds: number;
  /** The first event that is not what was sealed (`INTEGRITY`); 0: it is not about one. */
  seq = 0;

  constructor(status: number, code: string, message: string, details: unknown, retry: number) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.details = details;
    this.retryAfterSeconds = retry;
  }

  /** Whether it may have been done all the same: nobody can tell from the answer. */
  get uncertain(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 504;
  }
}

export type Query = Record<string, string | number | boolean | undefined>;

interface Options {
  query?: Query | undefined;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

const TRIES = 4;
const LONGEST_WAIT_SECONDS = 10;
const PASSING = new Set([0, 429, 502, 503, 504]);

/** Read something; what passes by itself (busy, out of reach) is waited for a while. */
export async function get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  return (await answered(await reading(path, { query, signal }))) as T;
}

/** The same, with the address of the next page; undefined: this was the last. */
export async function getPage<T>(
  path: string,
  query?: Query,
  signal?: AbortSignal,
): Promise<{ items: T; next: string | undefined }> {
  const answer = await reading(path, { query, signal });
  return { items: (await answered(answer)) as T, next: nextOf(answer.headers.get("Link")) };
}

/** The same, as it is: for what is no JSON, and more than should be held at once. */
export async function getAnswer(
  path: string,
  query?: Query,
  signal?: AbortSignal,
): Promise<Response> {
  return reading(path, { query, signal });
}

/** Change something. Sent once: who gets an uncertain {@link ApiError} looks before they repeat. */
export async function change<T>(
  method: "POST" | "PUT" | "DELETE",
  path: string,
  body?: unknown,
  options: Options = {},
): Promise<T> {
  return (await answered(await send(method, path, { ...options, body }))) as T;
}

/** The path of an id within a path. */
export function segment(id: string): string {
  return encodeURIComponent(id);
}

async function reading(path: string, options: Options): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await send("GET", path, options);
    } catch (error) {
      if (!(error instanceof ApiError) || !PASSING.has(error.status) || attempt === TRIES) {
        throw error;
      }
      const seconds = error.retryAfterSeconds || 0.25 * 2 ** attempt;
      if (seconds > LONGEST_WAIT_SECONDS) throw error;
      await pause(seconds * (0.75 + Math.random() / 2), options.signal);
    }
  }
}

async function send(method: string, path: string, options: Options): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json", ...options.headers };
  const init: RequestInit = { method, headers, credentials: "same-origin", cache: "no-store" };
  if (options.signal) init.signal = options.signal;
  if (options.body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(options.body);
  }
  const sentAt = Date.now();
  let answer: Response;
  try {
    answer = await fetch(path + queryText(options.query), init);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, "OUT_OF_REACH", "Tocsin can't be reached from here.", undefined, 0);
  }
  heardDate(answer.headers.get("Date"), sentAt, Date.now());
  if (answer.ok) return answer;
  throw await problem(answer);
}

interface Said {
  error?: string;
  message?: string;
  code?: string;
  details?: unknown;
  seq?: number;
}

async function problem(answer: Response): Promise<ApiError> {
  let said: Said = {};
  try {
    said = (await answer.json()) ?? {};
  } catch {
    // A gateway's own page: the status says enough.
  }
  const message = said.error ?? said.message ?? `Tocsin answered ${answer.status}.`;
  const wait = Number(answer.headers.get("Retry-After")) || 0;
  const error = new ApiError(answer.status, said.code ?? "", message, said.details, wait);
  error.seq = said.seq ?? 0;
  refused(error);
  return error;
}

async function answered(answer: Response): Promise<unknown> {
  if (answer.status === 204) return undefined;
  try {
    return await answer.json();
  } catch {
    // A list whose next event is not what was sealed ends in the middle.
    throw new ApiError(0, "CUT_OFF", "The answer ended before it was whole.", undefined, 0);
  }
}

function queryText(query: Query | undefined): string {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined);
  if (given.length === 0) return "";
  return `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

function nextOf(link: string | null): string | undefined {
  return /<([^>]+)>;\s*rel="?next"?/.exec(link ?? "")?.[1];
}

function pause(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1_000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

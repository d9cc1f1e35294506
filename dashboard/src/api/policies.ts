/** What agents may call: `/api/v1/policies`. */

import { change, get } from "./http.ts";

export const DECISIONS = ["allow", "watch", "ask", "deny"] as const;

/** A version of the policies, in Cedar; nobody made version 0, which comes with Tocsin. */
export interface Policies {
  version: number;
  count: number;
  policies: string;
  created_at?: string;
  created_by?: string;
}

/** What is decided of a call; `ok` says whether that is what the call `expect`s. */
export interface Tested {
  tool: string;
  decision: string;
  matched_policies: string[];
  message: string;
  expect?: string;
  ok?: boolean;
}

export const readPolicies = (version?: number, signal?: AbortSignal) =>
  get<Policies>("/api/v1/policies", { version }, signal);

/** Have calls decided about, by the org's policies or by `policies`. Nothing is kept of it. */
export const testPolicies = (calls: unknown, policies?: string) =>
  change<{ results: Tested[]; failed: number }>("POST", "/api/v1/policies/test", {
    calls,
    ...(policies === undefined ? {} : { policies }),
  });

/** The events as they were hashed, in lines: `/v1/audit/entries`. */

import { getAnswer } from "./http.ts";

/** Lines from one seq to another, as many as the answer holds; its body is read as it comes. */
export const entries = (from: number, to: number, signal: AbortSignal) =>
  getAnswer("/v1/audit/entries", { from, to }, signal);

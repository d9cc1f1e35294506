/** What calls cost, and the tokens that they took: `/api/v1/costs`. */

import { get } from "./http.ts";

export const COST_GROUPS = ["agent", "model", "tool"] as const;
export type CostGroup = (typeof COST_GROUPS)[number];

export interface Summary {
  total_cost_usd: number;
  total_requests: number;
  total_tokens: number;
  avg_latency_ms: number | null;
}

/** What one agent, model or tool had; `other`: those beyond a day's first hundred together. */
export interface CostRow {
  group: string;
  other: boolean;
  requests: number;
  tokens: number;
  cost_usd: number;
}

/** A span of whole hours, as ISO times. */
export interface Span {
  from: string;
  to: string;
}

export const costSummary = (span: Span, signal?: AbortSignal) =>
  get<Summary>("/api/v1/costs/summary", { ...span }, signal);

export async function costBreakdown(
  span: Span,
  group: CostGroup,
  signal?: AbortSignal,
): Promise<CostRow[]> {
  const query = { ...span, group_by: group };
  return (await get<{ data: CostRow[] }>("/api/v1/costs/breakdown", query, signal)).data;
}

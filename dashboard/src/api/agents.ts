/** Agents: what is known of them, their budgets, and what admins say of them. */

import { type LoggedEvent, listEvents } from "./events.ts";
import { ApiError, change, get, segment } from "./http.ts";
import type { Asked, Found } from "./pages.ts";
import type { Figures } from "./sessions.ts";

export interface Agent extends Figures {
  id: string;
  name: string;
  description: string | null;
  framework: string | null;
  status: "active" | "idle" | "error" | "blocked" | "retired";
  labels: Record<string, string>;
  retired_at?: string;
  retired_reason?: string;
}

/** By measure (`cost_usd`, `tokens`, `calls`). */
export type Usage = Record<string, number>;

export interface Budget {
  id: string;
  name: string;
  /** By name: `cost_usd_per_day`, `calls_per_month` … */
  limits: Record<string, number>;
  action: "warn" | "throttle" | "block" | "revoke";
  status: "active" | "triggered" | "disabled";
  /** By period (`day`, `month`). */
  usage: Record<string, Usage>;
}

export async function listAgents(asked: Asked, signal?: AbortSignal): Promise<Found<Agent>> {
  const query = { limit: asked.limit, cursor: asked.next };
  const page = await get<{ data: Agent[]; next_cursor: string | null }>(
    "/api/v1/agents",
    query,
    signal,
  );
  return { items: page.data, next: page.next_cursor ?? undefined };
}

export const oneAgent = (id: string, signal?: AbortSignal) =>
  get<Agent>(`/api/v1/agents/${segment(id)}`, undefined, signal);

/** The agent's budget; null: it has none. */
export async function budgetOf(id: string, signal?: AbortSignal): Promise<Budget | null> {
  try {
    return await get<Budget>(`/api/v1/agents/${segment(id)}/budget`, undefined, signal);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** Its newest events, the newest first. */
export const eventsOf = async (
  id: string,
  limit: number,
  signal?: AbortSignal,
): Promise<LoggedEvent[]> => (await listEvents({ agent: id }, { limit }, signal)).events;

export const retireAgent = (id: string, reason: string) =>
  change<Agent>("POST", `/api/v1/agents/${segment(id)}/retire`, { reason });

export const bringBackAgent = (id: string) =>
  change<Agent>("PUT", `/api/v1/agents/${segment(id)}`, { status: "active" });

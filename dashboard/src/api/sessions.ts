/** Agents' sessions, and what people decide about them: `/api/v1/sessions`. */

import { change, get, segment } from "./http.ts";
import type { Asked, Found } from "./pages.ts";

export type SessionStatus = "active" | "suspended" | "completed";

/** What the events of a session or an agent add up to; times are ISO 8601. */
export interface Figures {
  total_requests: number;
  total_cost_usd: number;
  error_count: number;
  last_model_used: string | null;
  first_seen_at: string | null;
  last_seen_at: string | null;
  events: number;
  denials: number;
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

/** Its status, and who gave it that one and why: nobody did, if `status_by` is not there. */
export interface Decided {
  id: string;
  status: SessionStatus;
  status_reason?: string;
  status_by?: string;
  status_at?: string;
}

export interface Session extends Figures, Decided {}

export async function listSessions(asked: Asked, signal?: AbortSignal): Promise<Found<Session>> {
  const query = { limit: asked.limit, cursor: asked.next };
  const page = await get<{ data: Session[]; total: number; next_cursor: string | null }>(
    "/api/v1/sessions",
    query,
    signal,
  );
  return { items: page.data, next: page.next_cursor ?? undefined, total: page.total };
}

export const oneSession = (id: string, signal?: AbortSignal) =>
  get<Session>(`/api/v1/sessions/${segment(id)}`, undefined, signal);

/** What can be decided, and the status that follows. */
export const DECISIONS = {
  suspend: "suspended",
  resume: "active",
  complete: "completed",
} as const satisfies Record<string, SessionStatus>;

export type Decision = keyof typeof DECISIONS;

/** A session that has the status already stays as it was decided before. */
export const decideSession = (id: string, decision: Decision, reason: string) =>
  change<Decided>("POST", `/api/v1/sessions/${segment(id)}/${decision}`, { reason });

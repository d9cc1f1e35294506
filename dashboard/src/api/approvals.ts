/** Calls that wait for a person: `/v1/approvals`, and what is always approved. */

import { heardTime } from "./clock.ts";
import { type Fields, fieldsOf, type LoggedEvent, listEvents } from "./events.ts";
import { ApiError, change, get, getPage, segment } from "./http.ts";

export type Status = "pending" | "approved" | "denied" | "expired";

/** An approval as the list has it. Times are RFC 3339; what there is none of is "". */
export interface Listed {
  id: string;
  tool: string;
  command: string;
  agent: string;
  session: string;
  credential_owner: string;
  message: string;
  status: Status;
  run_id: string;
  created_at: string;
  expires_at: string;
}

/** An approval, whole. Credentials in it are masked; `sha256` is of the call as it was sent. */
export interface Approval extends Listed {
  path?: string;
  cwd?: string;
  input?: unknown;
  tool_call_id?: string;
  reason?: string;
  on_expiry?: string;
  sha256?: string;
  claimed_by?: string;
  linked_by?: string;
  resolved_at?: string;
  resolved_by?: string;
  resolved_reason?: string;
  persisted?: boolean;
}

/** How an approval ended. `by` "": nobody, its time was over. */
export interface Outcome {
  id: string;
  status: Status;
  by: string;
  at: string;
}

export interface Rule {
  name: string;
  tool: string;
  command_pattern: string;
  path_pattern: string;
  agent: string;
  created: string;
  created_by: string;
}

/** What approvals can end with, as events tell of it. */
export const ENDED = "approval.resolved,approval.resolved_in_bulk,approval.expired";

/** The longest reason, in characters, that is taken. */
export const MAX_REASON_CHARS = 2_000;

/** As many are resolved at once. */
export const MAX_BULK = 1_000;

/** For how long the further calls of a run are approved, in minutes. */
export const RUN_MINUTES = 10;

/** All that wait, the oldest first. */
export async function listWaiting(): Promise<Listed[]> {
  const found: Listed[] = [];
  let next: string | undefined = "/v1/approvals";
  while (next) {
    const sentAt = Date.now();
    const page: { items: { approvals: Listed[] }; next: string | undefined } = await getPage(next);
    for (const each of page.items.approvals) waits(each, sentAt);
    found.push(...page.items.approvals);
    next = page.items.approvals.length > 0 ? page.next : undefined;
  }
  return found;
}

export async function oneApproval(id: string, signal?: AbortSignal): Promise<Approval> {
  const sentAt = Date.now();
  const approval = await get<Approval>(`/v1/approvals/${segment(id)}`, undefined, signal);
  if (approval.status === "pending") waits(approval, sentAt);
  return approval;
}

/** An approval that waits tells the time: it was made, and has not expired. */
function waits(approval: Listed, sentAt: number): void {
  heardTime(Date.parse(approval.created_at), Date.parse(approval.expires_at), sentAt, Date.now());
}

export interface Answer {
  approved: boolean;
  reason: string;
  /** Approve this very call of this agent from now on. */
  persist: boolean;
}

export const resolve = (id: string, { approved, reason, persist }: Answer) =>
  change<void>("POST", `/v1/approvals/${segment(id)}/resolve`, {
    approved,
    ...(reason ? { reason } : {}),
    ...(persist ? { persist } : {}),
  });

/** Resolve several of one run: all or, with 409, none. `whole`: what it asks for later, too. */
export const resolveSeveral = (
  calls: readonly [Listed, ...Listed[]],
  answer: { approved: boolean; reason: string; whole: boolean },
) =>
  change<void>("POST", "/v1/approvals/bulk-resolve", {
    agent: calls[0].agent,
    session: calls[0].session,
    run_id: calls[0].run_id,
    action: answer.approved ? "approve" : "deny",
    scope: answer.whole ? "run" : "pending",
    ids: calls.map((each) => each.id),
    ...(answer.reason ? { reason: answer.reason } : {}),
  });

export const listRules = async (signal?: AbortSignal) =>
  (await get<{ rules: Rule[] }>("/v1/rules/auto-allowed", undefined, signal)).rules;

export const removeRule = (name: string) =>
  change<void>("DELETE", `/v1/rules/auto-allowed/${segment(name)}`);

/** The call of the same tool that was approved last before this one; undefined: none is kept. */
export async function lastApproved(
  than: Approval,
  signal?: AbortSignal,
): Promise<Approval | undefined> {
  const filter = { type: ENDED, tool: than.tool, action: "allow" };
  const { events } = await listEvents(filter, { limit: 20 }, signal);
  const before = than.resolved_at ?? "9";
  const last = events.map(outcomeOf).find((each) => each.id !== than.id && each.at <= before);
  if (!last) return undefined;
  try {
    return await oneApproval(last.id, signal);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** The approval that an `approval.created` tells of. */
export function askedOf(event: LoggedEvent): Listed {
  const fields = fieldsOf(event);
  const data = part(fields.data);
  return {
    id: text(data.approval_id),
    tool: event.tool,
    command: text(part(fields.request).command),
    agent: event.agent,
    session: event.session,
    credential_owner: text(data.credential_owner),
    message: text(data.message),
    status: "pending",
    run_id: text(fields.run_id),
    created_at: event.at,
    expires_at: text(data.expires_at),
  };
}

/** What one of the {@link ENDED} events tells. */
export function outcomeOf(event: LoggedEvent): Outcome {
  const fields = fieldsOf(event);
  const data = part(fields.data);
  return {
    id: text(data.approval_id),
    status: text(data.status) as Status,
    by: text(fields.user_id),
    at: event.at,
  };
}

const part = (value: unknown) => (value ?? {}) as Fields;
const text = (value: unknown) => (typeof value === "string" ? value : "");

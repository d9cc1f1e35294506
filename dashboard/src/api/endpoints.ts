/** Where events are sent, and what became of them: `/api/v1/webhooks`. */

import { change, get, getPage, segment } from "./http.ts";
import type { Asked, Found } from "./pages.ts";

/** Something that was tried in vain, and will be again. */
export interface Failing {
  seq: number;
  attempts: number;
  first_attempt_at: string | null;
  next_attempt_at: string | null;
}

/** A part of the ledger that is sent once more. */
export interface Replay {
  id: string;
  next_seq: number;
  to_seq: number;
}

/** Which events are sent; null: any will do. */
export interface Wanted {
  types: string[] | null;
  agent_id: string | null;
  tool_name: string | null;
  action: string | null;
  severity: string | null;
}

/** An endpoint, and how far it is. Who may not change it sees of its URL what is no secret. */
export interface Endpoint extends Wanted {
  id: string;
  url: string;
  description: string;
  format: string;
  order: string;
  escalation: boolean;
  links: boolean;
  public_keys: string[];
  status: "active" | "paused";
  reason: string | null;
  created_at: string;
  changed_at: string;
  changed_by: string;
  through_seq: number;
  failing: Failing[];
  delivered: number;
  given_up: number;
  last_delivered_at: string | null;
  failing_since: string | null;
  held_until: string | null;
  slow_until: string | null;
  replays: Replay[];
}

/** One attempt; `answer` is the beginning of what the receiver said. */
export interface Attempt {
  seq: number;
  until_seq: number;
  event_id: string;
  type: string;
  attempt: number;
  at: string;
  outcome: "delivered" | "failed" | "slowed" | "gone" | "untried";
  status: number | null;
  latency_ms: number;
  error: string | null;
  answer: string | null;
  given_up: boolean;
}

/** So often is something attempted before it is given up. */
export const MOST_ATTEMPTS = 10;

const path = (id: string, of = "") => `/api/v1/webhooks/${segment(id)}${of}`;

/** The oldest first. */
export const listEndpoints = async (signal?: AbortSignal) =>
  (await get<{ data: Endpoint[] }>("/api/v1/webhooks", undefined, signal)).data;

export const oneEndpoint = (id: string, signal?: AbortSignal) =>
  get<Endpoint>(path(id), undefined, signal);

/** What was attempted last, or given up; the newest first. `id` is made of what tells them apart. */
export async function attemptsOf(
  endpoint: string,
  of: "deliveries" | "given-up",
  asked: Asked,
  signal?: AbortSignal,
): Promise<Found<Attempt & { id: string }>> {
  const query = { limit: asked.limit, before: asked.next };
  const page = await getPage<{ data: Attempt[] }>(path(endpoint, `/${of}`), query, signal);
  const next = page.next && new URL(page.next, location.origin).searchParams.get("before");
  const items = page.items.data.map((each) => ({
    ...each,
    id: `${each.event_id} ${each.at} ${each.attempt}`,
  }));
  return { items, next: next || undefined };
}

/** What somebody sets of a new one; what is not given is as usual. */
export interface Draft extends Partial<Wanted> {
  url: string;
  format: string;
  order: string;
  description?: string;
  escalation?: boolean;
  links?: boolean;
  token?: string;
  secret?: string;
  since?: string;
}

export const createEndpoint = (draft: Draft) => change<Endpoint>("POST", "/api/v1/webhooks", draft);

/** What is not given stays. */
export const updateEndpoint = (id: string, draft: Partial<Draft>) =>
  change<Endpoint>("PUT", path(id), draft);

export const removeEndpoint = (id: string) => change<void>("DELETE", path(id));

export const pauseEndpoint = (id: string, reason: string) =>
  change<Endpoint>("POST", path(id, "/pause"), { reason });

/** Have it sent what it was not; with `skip` only what follows. */
export const resumeEndpoint = (id: string, skip: boolean) =>
  change<Endpoint>("POST", path(id, "/resume"), { skip_missed: skip });

/** Sign with this secret; with the one before it, too, for so many seconds. */
export const rotateSecret = (id: string, secret: string, overlap: number) =>
  change<Endpoint>("POST", path(id, "/rotate"), { secret, overlap_seconds: overlap });

/** Have an event sent to it alone; its id. */
export const testEndpoint = async (id: string) =>
  (await change<{ event_id: string }>("POST", path(id, "/test"), {})).event_id;

export type Part = { from_seq: number; to_seq?: number } | { since: string };

export const replayTo = (id: string, part: Part) =>
  change<Endpoint & { replay?: Replay; expired_through_seq?: number | null }>(
    "POST",
    path(id, "/replay"),
    part,
  );

/**
 * The formats, and what each asks for. `url` is an example, without `https://`. `signed`: what is
 * sent is, with a secret; `hidden`: whoever knows the URL's path may post there; `people`: they
 * read it, and can follow links.
 */
export const FORMATS: Record<
  string,
  {
    title: string;
    url: string;
    signed?: boolean;
    hidden?: boolean;
    token?: string;
    people?: boolean;
  }
> = {
  tocsin: { title: "Tocsin", url: "example.com/hook", signed: true, people: true },
  cloudevents: {
    title: "CloudEvents",
    url: "example.com/hook",
    signed: true,
    people: true,
  },
  kavach: { title: "KavachOS", url: "example.com/hook", signed: true, people: true },
  slack: { title: "Slack", url: "hooks.slack.com/services/…", hidden: true, people: true },
  teams: {
    title: "Teams",
    url: "….logic.azure.com/workflows/…",
    hidden: true,
    people: true,
  },
  discord: {
    title: "Discord",
    url: "discord.com/api/webhooks/…",
    hidden: true,
    people: true,
  },
  pagerduty: {
    title: "PagerDuty",
    url: "events.pagerduty.com/v2/enqueue",
    token: "Routing key",
    people: true,
  },
  email: { title: "Mail", url: "mailto:security@example.com", people: true },
  splunk: {
    title: "Splunk",
    url: "splunk.example.com:8088/services/collector/event",
    token: "HEC token",
  },
  s3: { title: "S3", url: "s3://bucket/prefix" },
  parquet: { title: "Parquet", url: "s3://bucket/prefix" },
};

export const ORDERS: Record<string, string> = {
  relaxed: "in order, except that others pass one that fails",
  strict: "in order: nothing passes one that fails until it is given up",
  none: "several at once, in any order",
};

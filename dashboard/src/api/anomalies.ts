/** Alerts of what is unusual, and what people say of them: `/api/v1/anomalies`. */

import { type Fields, fieldsOf, listEvents } from "./events.ts";
import { change, get, getPage, segment } from "./http.ts";
import type { Asked, Found } from "./pages.ts";

export const STATUSES = ["open", "acknowledged", "snoozed", "false_positive"] as const;
export type AnomalyStatus = (typeof STATUSES)[number];
export type Severity = "info" | "warning" | "critical";

/** An alert; its id is its event's. Nobody said anything of it, if `status_by` is not there. */
export interface Anomaly {
  id: string;
  kind: string;
  severity: Severity;
  status: AnomalyStatus;
  description: string;
  /** Its `kind` (`agent`, `tool`, `model`, `org`), and the names that events know it by. */
  subject: { kind: string } & Record<string, string>;
  detected_at: string;
  /** How many it stands for. */
  count: number;
  seqs: number[];
  probability?: number;
  status_by?: string;
  status_at?: string;
  status_reason?: string;
  until?: string;
}

export interface AnomalyFilter {
  status?: string | undefined;
  kind?: string | undefined;
  agent_id?: string | undefined;
}

/** The newest first. A page may be short, or empty, and yet not be the last. */
export async function listAnomalies(
  filter: AnomalyFilter,
  asked: Asked,
  signal?: AbortSignal,
): Promise<Found<Anomaly>> {
  const query = { ...filter, limit: asked.limit, before: asked.next };
  const page = await getPage<{ data: Anomaly[] }>("/api/v1/anomalies", query, signal);
  const next = page.next && new URL(page.next, location.origin).searchParams.get("before");
  return { items: page.items.data, next: next || undefined };
}

export const oneAnomaly = (id: string, signal?: AbortSignal) =>
  get<Anomaly>(`/api/v1/anomalies/${segment(id)}`, undefined, signal);

/** One thing that somebody said of an alert. */
export interface Review {
  status: string;
  by: string;
  at: string;
  reason: string;
  until: string | null;
}

/** The type of events that tell what was said of an alert. */
export const REVIEWED = "tocsin.anomaly_reviewed";
const REVIEWS = 200;

/** What people said of an alert, the last first: from its subject's newest such events. */
export async function reviewsOf(anomaly: Anomaly, signal?: AbortSignal): Promise<Review[]> {
  const agent = anomaly.subject.agent_id;
  const filter = { type: REVIEWED, ...(agent ? { agent } : {}) };
  const { events } = await listEvents(filter, { limit: REVIEWS }, signal);
  return events
    .map(fieldsOf)
    .filter((event) => dataOf(event).anomaly_id === anomaly.id)
    .map((event) => ({
      status: String(event.status ?? ""),
      by: String(event.user_id ?? ""),
      at: String(event.timestamp ?? ""),
      reason: String(dataOf(event).reason ?? ""),
      until: (dataOf(event).until as string | null | undefined) ?? null,
    }));
}

export const acknowledge = (id: string, reason: string) => say(id, "acknowledge", { reason });
export const callFalse = (id: string, reason: string) => say(id, "false-positive", { reason });

/** No more alerts like it for some seconds, or until a time (ISO 8601). */
export const snooze = (id: string, reason: string, how: { seconds: number } | { until: string }) =>
  say(id, "snooze", { reason, ...how });

const say = (id: string, what: string, body: unknown) =>
  change<Anomaly>("POST", `/api/v1/anomalies/${segment(id)}/${what}`, body);

function dataOf(event: Fields): Fields {
  return (event.data ?? {}) as Fields;
}

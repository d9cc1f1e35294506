/** What a list of events shows of one: its time, what was done, and how it ended. */

import { fieldsOf, type LoggedEvent } from "../api/events.ts";
import { actionOf, Calls, type Report } from "../live/calls.ts";

export type Outcome = "ok" | "denied" | "failed" | "anomaly";

export interface Moment extends Report {
  id: string;
  /** When it was: what it says itself, unless no clock could be right with that. */
  atMs: number;
  at: string;
  /** What was called; where nothing was, and of an anomaly, the event's type. */
  what: string;
  type: string;
  action: string;
  outcome: Outcome;
  session: string;
  /** What it says, or what was asked for, on one line. */
  note: string;
  latencyMs: number | undefined;
  tokens: number | undefined;
  costUsd: number | undefined;
  /** The reports that it is known from, and by which ways they came. */
  seqs: number[];
  ways: string[];
}

const NOTE_CHARS = 200;
/** A clock is wrong that is ahead of the receipt, or so far behind it. */
const OLDEST_MS = 90 * 86_400_000;
const FAILED = new Set(["error", "errored", "failed", "failure", "timeout"]);

export function momentOf(event: LoggedEvent): Moment {
  const fields = fieldsOf(event);
  const receivedMs = Date.parse(textOf(fields.received_at));
  const saidMs = Date.parse(event.at);
  const possible = saidMs <= receivedMs && saidMs > receivedMs - OLDEST_MS;
  const atMs = possible || Number.isNaN(receivedMs) ? saidMs : receivedMs;
  return {
    seq: event.seq,
    id: event.id,
    atMs: Number.isNaN(atMs) ? 0 : atMs,
    at: possible ? event.at : textOf(fields.received_at) || event.at,
    what: (event.type !== "anomaly" && (event.tool || event.model)) || event.type,
    type: event.type,
    action: event.action,
    outcome: outcomeOf(event, textOf(fields.status)),
    session: event.session,
    note: noteOf(fields),
    latencyMs: numberOf(fields.latency_ms),
    tokens: numberOf(fields.total_tokens),
    costUsd: numberOf(fields.cost_usd),
    seqs: [event.seq],
    ways: [event.via],
    callKey: event.callKey,
    receivedMs: event.receivedMs,
    via: event.via,
  };
}

const GRAVE: Outcome[] = ["denied", "failed", "anomaly", "ok"];

/** Add to what is shown of a call what another report tells of it. */
export function addReport(to: Moment, report: Moment): void {
  to.seqs.push(report.seq);
  if (!to.ways.includes(report.via)) to.ways.push(report.via);
  to.action = actionOf([to, report]);
  to.outcome = GRAVE.find((each) => each === to.outcome || each === report.outcome) ?? "ok";
  to.note ||= report.note;
  to.latencyMs ??= report.latencyMs;
  to.tokens ??= report.tokens;
  to.costUsd ??= report.costUsd;
}

/** Moments of events, each call once, in the order of the first that is there of it. */
export function callsOf(events: readonly LoggedEvent[]): Moment[] {
  const calls = new Calls<Moment>();
  const shown: Moment[] = [];
  for (const moment of [...events].reverse().map(momentOf)) {
    const { call, fresh } = calls.take(moment);
    if (fresh) shown.push(moment);
    else addReport(call.shown, moment);
  }
  return shown.reverse();
}

function outcomeOf(event: LoggedEvent, status: string): Outcome {
  if (event.type === "anomaly") return "anomaly";
  if (event.action === "deny") return "denied";
  const word = status.toLowerCase();
  return FAILED.has(word) || /^[45]\d\d$/.test(word) ? "failed" : "ok";
}

function noteOf(fields: Record<string, unknown>): string {
  const data = objectOf(fields.data);
  const said = [objectOf(fields.decision).message, data.description, data.reason];
  const found = said.find((each) => typeof each === "string" && each !== "");
  if (typeof found === "string") return found.slice(0, NOTE_CHARS);
  if (fields.type === "session_update") return textOf(fields.status);
  const asked = fields.request;
  if (asked === undefined || asked === null) return "";
  return (typeof asked === "string" ? asked : JSON.stringify(asked)).slice(0, NOTE_CHARS);
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

const textOf = (value: unknown) => (typeof value === "string" ? value : "");
const numberOf = (value: unknown) => (typeof value === "number" ? value : undefined);

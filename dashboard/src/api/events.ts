/** Events: what the ledger has, in the one shape that the page keeps them in. */

import { callKeyOf, type Report } from "../live/calls.ts";
import { get, getPage, segment } from "./http.ts";

/** An event as the page keeps it: what rows and filters need, and all of it as `text` (JSON). */
export interface LoggedEvent extends Report {
  id: string;
  type: string;
  at: string;
  action: string;
  agent: string;
  session: string;
  server: string;
  tool: string;
  model: string;
  trace: string;
  /** The id that its call has: a tool's call, or a model's response. */
  call: string;
  text: string;
}

/** All fields of an event, by their names in the ledger. */
export type Fields = Record<string, unknown>;

/** The filters that a view can have: the page's names, and the API's. */
export const FILTERS = {
  type: "types",
  agent: "agent_id",
  session: "session_id",
  server: "server_id",
  tool: "tool_name",
  action: "action",
  model: "model",
  trace: "trace_id",
  call: "call_id",
} as const;

export type FilterName = keyof typeof FILTERS;
export type Filter = Partial<Record<FilterName, string>>;

/** Read an event from a stream's message or a list's item. Throws SyntaxError. */
export function parseEvent(text: string): LoggedEvent {
  return eventOf(JSON.parse(text) as Fields, text);
}

export function eventOf(fields: Fields, text = JSON.stringify(fields)): LoggedEvent {
  const { metadata } = fields as { metadata?: Fields };
  const kind = typeof fields.tool_call_id === "string" ? "tool" : "model";
  const call = textOf(kind === "tool" ? fields.tool_call_id : metadata?.response_id);
  // What Tocsin tells of a call is an event of its own.
  const reports = call !== "" && fields.source !== "tocsin";
  const [agent, session] = [textOf(fields.agent_id), textOf(fields.session_id)];
  return {
    seq: typeof fields.seq === "number" ? fields.seq : 0,
    id: textOf(fields.id),
    type: textOf(fields.type),
    at: textOf(fields.timestamp),
    action: textOf(fields.action),
    agent,
    session,
    server: textOf(fields.server_id),
    tool: textOf(fields.tool_name),
    model: textOf(fields.model),
    trace: textOf(fields.trace_id),
    call,
    callKey: reports ? callKeyOf(kind, call, agent, session) : "",
    receivedMs: Date.parse(textOf(fields.received_at)) || 0,
    via: textOf(metadata?.via),
    text,
  };
}

export function fieldsOf(event: LoggedEvent): Fields {
  return JSON.parse(event.text) as Fields;
}

/** Whether an event is one that the API would list or stream for this filter. */
export function matches(event: LoggedEvent, filter: Filter): boolean {
  for (const [name, wanted] of Object.entries(filter) as [FilterName, string][]) {
    if (name === "type") {
      if (!wanted.split(",").some((type) => type.trim() === event.type)) return false;
    } else if (event[name] !== wanted) return false;
  }
  return true;
}

/** A filter as the API's query. */
export function filterQuery(filter: Filter): Record<string, string> {
  const given = Object.entries(filter) as [FilterName, string][];
  return Object.fromEntries(given.map(([name, value]) => [FILTERS[name], value]));
}

export interface Page {
  events: LoggedEvent[];
  /** Where the next page begins, as a path; undefined: there is no more. */
  next: string | undefined;
}

/** The newest events, or those before a seq, the newest first. */
export async function listEvents(
  filter: Filter,
  more: { limit: number; before?: number | undefined; after?: number | undefined },
  signal?: AbortSignal,
): Promise<Page> {
  return pageOf("/api/v1/events", { ...filterQuery(filter), ...more }, signal);
}

/** The page that another one leads to. */
export const followEvents = (next: string, signal?: AbortSignal) =>
  pageOf(sameOrigin(next), undefined, signal);

/** One event by its id, with all its fields. */
export async function oneEvent(id: string, signal?: AbortSignal): Promise<LoggedEvent> {
  return eventOf(await get<Fields>(`/api/v1/events/${segment(id)}`, undefined, signal));
}

async function pageOf(
  path: string,
  query?: Record<string, string | number | undefined>,
  signal?: AbortSignal,
): Promise<Page> {
  const { items, next } = await getPage<Fields[]>(path, query, signal);
  return { events: items.map((fields) => eventOf(fields)), next: next && sameOrigin(next) };
}

/** A link's path and query: another origin is never asked. */
function sameOrigin(url: string): string {
  const { pathname, search } = new URL(url, location.origin);
  return pathname + search;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** How an endpoint is, in a word and a sentence; and what became of an attempt. */

import { type Attempt, type Endpoint, FORMATS } from "../../api/endpoints.ts";
import { ago, span } from "../../ui/span.ts";
import { count, oneLine } from "../../ui/text.ts";

export type State = "active" | "paused" | "failing" | "slow";

/** A time that is to come; "": there is none, or it is over. */
const ahead = (at: string | null, nowMs: number) => (at && Date.parse(at) > nowMs ? at : "");

export function stateOf(of: Endpoint, nowMs: number): State {
  if (of.status === "paused") return "paused";
  if (of.failing_since || of.failing.some((each) => each.attempts > 0)) return "failing";
  // What was never tried could not be: the name was not resolved, or it is just being sent.
  const later = of.failing.some((each) => ahead(each.next_attempt_at, nowMs));
  return later || ahead(of.held_until, nowMs) || ahead(of.slow_until, nowMs) ? "slow" : "active";
}

/** Since when it fails, as ISO; "": it does not. */
export function failingSince(of: Endpoint): string {
  const first = of.failing.map((each) => each.first_attempt_at ?? "").filter(Boolean);
  return [of.failing_since ?? "", ...first].filter(Boolean).sort()[0] ?? "";
}

/** When something is tried again, as ISO; "": nothing waits, or it is paused. */
export function triedNext(of: Endpoint): string {
  if (of.status === "paused") return "";
  const due = of.failing.map((each) => each.next_attempt_at ?? "").filter(Boolean);
  const first = (of.order === "strict" ? due.slice(0, 1) : due.sort())[0] ?? "";
  const held = of.held_until ?? "";
  return first && held > first ? held : first;
}

/** What there is to know of its state, beside the word. */
export function sentenceOf(of: Endpoint, nowMs: number): string {
  const waits = of.failing.length;
  const next = triedNext(of);
  const due = Date.parse(next) - nowMs;
  const again = next ? `, tried again ${due >= 1_000 ? ago(next, nowMs) : "now"}` : "";
  const wait = `${count(waits, "delivery", "deliveries")} wait${waits === 1 ? "s" : ""}`;
  switch (stateOf(of, nowMs)) {
    case "paused":
      return waits > 0 ? wait : "";
    case "failing": {
      const since = failingSince(of);
      const long = since ? ` for ${span((nowMs - Date.parse(since)) / 1_000)}` : "";
      return `${waits > 0 ? wait : "it fails"}${long}${again}`;
    }
    case "slow": {
      const held = ahead(of.held_until, nowMs);
      if (held) return `it is left alone, and goes on ${ago(held, nowMs)}`;
      if (waits > 0) return `${wait}: its address can't be found out now${again}`;
      return "it was slow or failed a short while ago";
    }
    default:
      return "";
  }
}

const ERRORS: Record<string, string> = {
  timeout: "it did not answer in 15 seconds",
  refused: "nothing listens there",
  reset: "the connection was cut",
  tls: "no trusted TLS connection",
  protocol: "it did not answer with HTTP",
  blocked: "nothing may be sent to this address",
  nonexistent: "there is no such name",
  unresolved: "the name can't be resolved now",
};

/** An attempt's result: what stands in its chip, the chip's colour, and why it failed. */
export function resultOf({ outcome, status, error }: Attempt): [string, string, string] {
  const word = oneLine(error || String(status ?? "none"), 24);
  const why = (error && ERRORS[error]) ?? "";
  if (outcome === "delivered") return [word, "ok", why];
  return [word, outcome === "slowed" || outcome === "untried" ? "warning" : "error", why];
}

/** What an endpoint is called: what somebody said it is for, or where it is. */
export const nameOf = (of: Endpoint) => of.description || placeOf(of);

/** Where it is, without what may be a secret: lists are seen over shoulders, and pictured. */
export function placeOf({ url, format }: Endpoint): string {
  const place = url.replace(/^https:\/\//, "").replace(/\?.*/s, "");
  return FORMATS[format]?.hidden ? place.replace(/(?<![:/])\/[^/].*/s, "/…") : place;
}

/** A secret for signatures, as Standard Webhooks writes it. Made here, no lost answer loses it. */
export function newSecret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return `whsec_${btoa(String.fromCharCode(...bytes))}`;
}

/** Event types as somebody types them: with commas, spaces or lines between. */
export const typesOf = (text: string) => text.split(/[\s,]+/).filter(Boolean);

/** Alerts in words. */

import type { Anomaly } from "../../api/anomalies.ts";
import { dollars, oneLine, whole } from "../../ui/text.ts";

/** `rate_spike` as `Rate spike`. */
export function titleOf(kind: string): string {
  const words = oneLine(kind.replaceAll("_", " "), 60);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Whose behaviour it is: `query_records of demo-1`, `the whole organization`. */
export function subjectOf({ subject }: Anomaly): string {
  const { kind, ...names } = subject;
  if (kind === "agent") return names.agent_id ?? "";
  const [name, of] =
    kind === "tool" ? [names.tool_name, names.server_id] : [names.model, names.provider];
  if (!name) return kind === "org" ? "the whole organization" : kind;
  return of ? `${name} of ${of}` : name;
}

/** A probability as people say it: `about 1 in 109,000`. */
export function chance(probability: number): string {
  if (!(probability > 0)) return "next to never";
  if (probability >= 0.1) return `about ${Math.round(probability * 100)} in 100`;
  const one = 1 / probability;
  if (one >= 1e12) return "less than 1 in a million million";
  const digits = 10 ** Math.max(Math.floor(Math.log10(one)) - 1, 0);
  return `about 1 in ${whole(Math.round(one / digits) * digits)}`;
}

/** A figure with its unit: `19 calls a minute`, `$0.25`. */
export function amount(value: number, unit: string): string {
  if (unit === "USD") return dollars(value);
  const rounded = Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
  return `${rounded.toLocaleString("en-US", { maximumFractionDigits: 6 })} ${unit}`;
}

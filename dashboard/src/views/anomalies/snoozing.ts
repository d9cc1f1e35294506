/** For how long an alert can be snoozed. */

export const SPANS = [
  ["hour", "An hour", 3_600],
  ["day", "A day", 86_400],
  ["week", "A week", 7 * 86_400],
] as const;

/** The longest: 30 days. */
export const MOST_MS = 30 * 86_400_000;

/** What was chosen, as the API takes it; `until` is of a local date and time. */
export function snoozeOf(chosen: string, until: string): { seconds: number } | { until: string } {
  const span = SPANS.find(([name]) => name === chosen);
  return span ? { seconds: span[2] } : { until: new Date(until).toISOString() };
}

/** A time as an input for a local date and time has it. */
export function localText(ms: number): string {
  const at = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return at.toISOString().slice(0, 16);
}

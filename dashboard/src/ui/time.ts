/** Times as people read them; the machine's zone, 24 hours. */

import { signal } from "@preact/signals";

export { ago, span } from "./span.ts";

/** The time, in milliseconds; it grows once a second while the page is seen. */
export const now = signal(Date.now());
setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 1_000);

const CLOCK = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
});
const DAY = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", year: "numeric" });
const FULL = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });

/** The time of day, with milliseconds; "" for what is no time. */
export function clock(iso: string): string {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? "" : CLOCK.format(at);
}

export function day(iso: string): string {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? "" : DAY.format(at);
}

export function full(iso: string): string {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? iso : FULL.format(at);
}

const MINUTE = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const UTC_DAY = new Intl.DateTimeFormat("en-GB", {
  day: "2-digit",
  month: "short",
  timeZone: "UTC",
});

/** A time (Unix s) as the minute of a day; and as a day of UTC. */
export const minuteText = (at: number) => MINUTE.format(at * 1_000);
export const utcDayText = (at: number) => UTC_DAY.format(at * 1_000);

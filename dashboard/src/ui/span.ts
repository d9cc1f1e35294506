/** Spans of time as people read them. */

const UNITS: [number, string][] = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
];

/** So many seconds in the largest unit that fits: `42 s`, `3 min`. */
export function span(seconds: number): string {
  const size = Math.abs(seconds);
  for (const [unit, name] of UNITS) {
    if (size >= unit) return `${Math.floor(size / unit)} ${name}`;
  }
  return `${Math.max(Math.floor(size), 0)} s`;
}

/** How long ago something was, or in how long it will be. */
export function ago(iso: string, at: number): string {
  const seconds = (at - new Date(iso).getTime()) / 1_000;
  if (Number.isNaN(seconds)) return "";
  return seconds >= 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`;
}

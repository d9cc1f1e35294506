/** Where the bars of a chart stand, and what is written at its axes: arithmetic alone. */

/** A value of null is not known. */
export type Values = readonly (number | null)[];

/** In pixels: what is around the bars, and how high it all is. */
export const HEIGHT = 240;
export const BOX = { left: 56, top: 8, right: 8, bottom: 28 } as const;
export const BASE = HEIGHT - BOX.bottom;

const ROOM = 1.08; // above the highest bar
const BAR = 0.86; // of the room that each has
const MOST_BAR = 96;
const TICK_PX = { x: 70, y: 40 };
const DAY = 86_400;
/** What times are a multiple of, in seconds, where something is written. */
const ROUND = [
  ...[60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200],
  ...[DAY, 2 * DAY, 5 * DAY, 10 * DAY, 30 * DAY],
];

/** The ends of each bar's parts: those of a series stand on those of the series before it. */
export function stacked(series: readonly Values[], length: number): [number, number][][] {
  const below = Array.from({ length }, () => 0);
  return series.map((values) =>
    below.map((from, index) => {
      below[index] = from + (values[index] ?? 0);
      return [from, below[index] ?? 0];
    }),
  );
}

/** The bars of one series as an SVG path; a bar's room is `wide` pixels, `unit` those of 1. */
export function path(parts: readonly [number, number][], wide: number, unit: number): string {
  const width = Math.min(wide * BAR, MOST_BAR).toFixed(2);
  return parts
    .map(([from, to], index) =>
      to > from
        ? `M${(BOX.left + index * wide).toFixed(2)} ${(BASE - from * unit).toFixed(2)}h${width}V${(BASE - to * unit).toFixed(2)}h-${width}z`
        : "",
    )
    .join("");
}

/** How much the axis has room for, and the values that are written at it. */
export function levels(most: number, wholes = false): { top: number; ticks: number[] } {
  const top = Math.max(most, 1e-9) * ROOM;
  const least = (top * TICK_PX.y) / (BASE - BOX.top);
  const power = 10 ** Math.floor(Math.log10(least));
  const round = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= least);
  const step = Math.max(round ?? least, wholes ? 1 : 0);
  const count = Math.floor(top / step + 1e-9) + 1;
  const ticks = Array.from({ length: count }, (_, index) => index * step);
  return { top, ticks: ticks.filter((each) => !wholes || Number.isInteger(each)) };
}

/**
 * The bars that a time is written at, for bars of `step` seconds that each have `wide` pixels.
 * `zoneSeconds` is how far the clock that people read is ahead of UTC.
 */
export function marked(
  times: readonly number[],
  step: number,
  wide: number,
  zoneSeconds: number,
): number[] {
  const round = ROUND.find((each) => each >= step && (each / step) * wide >= TICK_PX.x) ?? DAY * 90;
  const ahead = step < DAY ? zoneSeconds : 0; // days are UTC's
  return times.flatMap((at, index) => ((at + ahead) % round < step ? [index] : []));
}

/**
 * What time it is at Tocsin: a laptop's clock can be minutes off, and Tocsin's decides what expires.
 *
 * Each answer says something about it, and the offset moves only as far as that demands.
 */

let offset = 0;

/** How far Tocsin's clock is ahead of this machine's, in milliseconds. */
export const offsetMs = () => offset;

/** At Tocsin it was `from` to `until` at some moment between `sent` and `got` here; all in ms. */
export function heardTime(from: number, until: number, sent: number, got: number): void {
  const least = from - got;
  const most = until - sent;
  if (!(least <= most)) return; // no times, or a clock that jumped meanwhile
  offset = Math.min(Math.max(offset, least), most);
}

/** The same from an answer's `Date`, which has whole seconds. */
export function heardDate(date: string | null, sent: number, got: number): void {
  const at = Date.parse(date ?? "");
  if (!Number.isNaN(at)) heardTime(at, at + 1_000, sent, got);
}

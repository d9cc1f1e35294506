/** What events contain, as text that can't deceive: what is not seen, or steers the rest, shows. */

/**
 * Controls, format characters (bidirectional ones too), surrogates, private and unassigned ones,
 * and letters that have no shape. What joins emoji (ZWJ, variation selectors) stays.
 */
const HIDDEN =
  /(?!\n|\t|\u200d|\ufe0f)(?:\p{C}|\u2028|\u2029|\u034f|\u115f|\u1160|\u17b4|\u17b5|\u180b|\u180c|\u180d|\u180f|\u3164|\uffa0)/gu;

/** The longest text that is shown without being asked for. */
export const SHOWN_CHARS = 20_000;

/** Text with an escape (`\u{202e}`) in the place of each character that would not be seen. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}

/** The same on one line, cut to so many characters. */
export function oneLine(text: string, chars = 200): string {
  const cut = text.length > chars ? `${text.slice(0, chars)}…` : text;
  return visible(cut.replace(/\s+/g, " "));
}

/** A JSON value, indented. */
export function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? "";
}

const NUMBERS = new Intl.NumberFormat("en-US");
const SHORT = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const DOLLARS = new Intl.NumberFormat("en-US", {
  style: "currency",
  currency: "USD",
  maximumFractionDigits: 4,
});

export const whole = (value: number) => NUMBERS.format(value);
export const compact = (value: number) => SHORT.format(value);
export const dollars = (value: number) => DOLLARS.format(value);

/** One of something, or several. */
export function count(value: number, one: string, several = `${one}s`): string {
  return `${whole(value)} ${value === 1 ? one : several}`;
}

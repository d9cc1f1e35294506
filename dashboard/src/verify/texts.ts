/** What the formats of evidence write the same way: numbers, base64, lines. */

/** The greatest number of a checkpoint, 2^63 - 1, in digits. */
const MAX_NUMBER = "9223372036854775807";

/**
 * A decimal number from 0 on, without a sign or leading zeroes.
 *
 * Throws Error: it is none, or more than the specifications or this page can count to.
 */
export function number(text: string, what: string): number {
  const beyond =
    text.length > MAX_NUMBER.length || (text.length === MAX_NUMBER.length && text > MAX_NUMBER);
  if (!/^(?:0|[1-9]\d*)$/.test(text) || beyond) {
    throw new Error(`${what} is a decimal number up to 2^63 - 1, without leading zeroes.`);
  }
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new Error(`${what} is more than this page can count to.`);
  return value;
}

/**
 * What a text stands for in base64 (RFC 4648, section 4), padded; not nothing.
 *
 * Throws Error: it is no base64, not as it is written, or not of this size.
 */
export function fromBase64(
  text: string,
  what: string,
  sizeBytes?: number,
): Uint8Array<ArrayBuffer> {
  let ascii = "";
  try {
    ascii = atob(text);
  } catch {
    // Said below.
  }
  // Whoever allows spaces, or bits that nobody reads, has several texts for the same bytes.
  if (!ascii || btoa(ascii) !== text) {
    throw new Error(`${what} is not in base64, or not as it is written.`);
  }
  if (sizeBytes !== undefined && ascii.length !== sizeBytes) {
    throw new Error(`${what} has ${ascii.length} bytes and not ${sizeBytes}.`);
  }
  return Uint8Array.from(ascii, (char) => char.charCodeAt(0));
}

/** Whether a text has characters below U+0020, apart from the ends of lines. */
export function hasControls(text: string): boolean {
  for (const char of text) if (char < " " && char !== "\n") return true;
  return false;
}

/** Bytes as UTF-8. Throws Error: they are none. */
export function fromUtf8(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Error(`${what} is UTF-8.`);
  }
}

export const utf8 = (text: string) => new TextEncoder().encode(text);

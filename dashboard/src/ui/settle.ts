/** Changes whose answer is lost: what is there now says what became of them. */

import { ApiError } from "../api/http.ts";

/**
 * Send a change once. If no answer came, `look` at what is there now.
 *
 * Throws {@link ApiError}: it was refused, or it is not done as far as anybody can see.
 */
export async function settled<T>(
  send: () => Promise<T>,
  look: () => Promise<T>,
  done: (now: T) => boolean,
): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (!(error instanceof ApiError && error.uncertain)) throw error;
    let now: T;
    try {
      now = await look();
    } catch {
      throw unknown("No answer came, and what is there now can't be read: it may have been done.");
    }
    if (done(now)) return now;
    throw unknown("No answer came, and so far it is not done. Look again before you repeat it.");
  }
}

const unknown = (message: string) => new ApiError(504, "UNKNOWN", message, undefined, 0);

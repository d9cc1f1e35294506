/** What a log shows of itself: `/v1/log/…`. None of it is to be believed before it is checked. */

import { MAX_NOTE_BYTES } from "../verify/checkpoints.ts";
import { MAX_PROOF_BYTES } from "../verify/proofs.ts";
import { fromUtf8 } from "../verify/texts.ts";
import { ApiError, getAnswer } from "./http.ts";

/** The last checkpoint, a signed note; undefined: there is none yet. */
export async function lastCheckpoint(signal?: AbortSignal): Promise<string | undefined> {
  try {
    return await text("/v1/log/checkpoint", signal);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** The keys that have signed the log, as it says itself: lines. */
export async function logKeys(): Promise<string[]> {
  return (await text("/v1/log/keys")).split("\n").filter(Boolean);
}

/** A `.tlog-proof` of an event, as it came. */
export async function eventProof(id: string): Promise<Uint8Array<ArrayBuffer>> {
  return bounded(await getAnswer("/v1/log/proof", { id }), MAX_PROOF_BYTES);
}

async function text(path: string, signal?: AbortSignal): Promise<string> {
  const bytes = await bounded(await getAnswer(path, undefined, signal), MAX_NOTE_BYTES);
  return fromUtf8(bytes, "What Tocsin answers here");
}

/** All of an answer, which may be so long and no longer. */
async function bounded(answer: Response, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const reader = answer.body?.getReader();
  while (reader) {
    const { done, value } = await reader.read().catch(() => {
      throw new ApiError(0, "OUT_OF_REACH", "The connection was lost.", undefined, 0);
    });
    if (done) break;
    size += value.length;
    if (size > maxBytes) {
      await reader.cancel();
      throw new ApiError(0, "TOO_LONG", "The answer is longer than it can be.", undefined, 0);
    }
    pieces.push(value);
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

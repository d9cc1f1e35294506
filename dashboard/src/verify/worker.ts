/** The worker: asks for the ledger, window after window, and computes its chain and its tree. */

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { entries } from "../api/entries.ts";
import { lastCheckpoint } from "../api/evidence.ts";
import { ApiError } from "../api/http.ts";
import { Chain, type Fault, genesis } from "./chain.ts";
import { judge, type Point } from "./checkpoints.ts";
import { Tree } from "./merkle.ts";
import type { FromWorker, Order, ToWorker } from "./messages.ts";
import { parseKeys } from "./verifiers.ts";

const WINDOW_EVENTS = 10_000; // one is on its way while another is hashed
const TELL_MS = 100;
const STALL_MS = 60_000;
const LONGEST_WAIT_SECONDS = 30;
const MAX_CUTS = 4; // at one place
const MAX_LOOKS_AT_END = 3;

/** The newest event that the page knows of. */
let head = 0;

addEventListener("message", (event: MessageEvent<ToWorker>) => {
  if ("head" in event.data) head = event.data.head;
  else void obey(event.data.order);
});

async function obey(order: Order): Promise<void> {
  const hash = order.seq === 0 ? genesis(order.org) : order.hash;
  const tree = order.peaks === undefined ? undefined : new Tree(order.seq, order.peaks);
  let chain = new Chain(order.seq, hash, order.notes);
  let unsigned = "";
  const began = performance.now();
  const told = (waiting = "") => {
    const { seq, hash, before, events, leaves, bytes, points } = chain;
    const [ms, peaks] = [performance.now() - began, tree?.peaks];
    const progress = { seq, hash, before, events, leaves, bytes, ms, peaks, points, unsigned };
    return { progress, waiting };
  };
  head = Math.max(head, order.head);
  try {
    await checkHash();
    const points = await judged(order, (why) => {
      unsigned = why;
    });
    chain = new Chain(order.seq, hash, order.notes, tree, points);
    if (!chain.fault) await verify(chain, order, (waiting) => tell(told(waiting)));
    const fault = chain.fault ?? badlySigned(points);
    tell(fault ? { ...told(), end: "found", fault } : { ...told(), end: "verified" });
  } catch (error) {
    const status = error instanceof ApiError ? error.status : 0;
    const trouble = error instanceof Error ? error.message : String(error);
    tell({ ...told(), end: "failed", status, trouble });
  }
}

const tell = (message: FromWorker) => postMessage(message);

/** What the log's last checkpoint and the kept ones are worth, with what is known of them already. */
async function judged(order: Order, without: (why: string) => void): Promise<Point[]> {
  const keys = parseKeys(order.keys, order.org);
  const known = (point: Point): Point => ({
    ...point,
    holds:
      point.standing !== "refused" &&
      order.points.some(
        ({ holds, size, root }) => holds && size === point.size && root === point.root,
      ),
  });
  const points = await Promise.all(
    order.kept.map(async (note) => known(await judge(note, true, order.org, keys))),
  );
  try {
    const note = await lastCheckpoint();
    if (note) return [known(await judge(note, false, order.org, keys)), ...points];
    without("There is none yet: one is made within a minute of a new event.");
  } catch (error) {
    if (!(error instanceof ApiError) || error.status === 401) throw error;
    without(error.message); // the chain can be computed all the same
  }
  return points;
}

/** A checkpoint that is not what a trusted key signed is a finding, whatever the chain says. */
function badlySigned(points: readonly Point[]): Fault | undefined {
  const point = points.find(({ standing }) => standing === "refused");
  return point && { kind: "unsigned", seq: 0, expected: "", found: point.why, point };
}

/** Hold the hash function against the standard's example, and against the browser's own. */
async function checkHash(): Promise<void> {
  const abc = bytesToHex(sha256(new TextEncoder().encode("abc")));
  const sample = Uint8Array.from({ length: 1_000 }, (_, index) => index);
  // Only a page from https or from this machine has the browser's.
  const own = await globalThis.crypto?.subtle?.digest("SHA-256", sample);
  if (
    abc !== "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" ||
    (own && bytesToHex(new Uint8Array(own)) !== bytesToHex(sha256(sample)))
  ) {
    throw new Error("SHA-256 is wrong in this browser: verify with another one.");
  }
}

/** Take events until the chain has a fault, or there are no more to take. */
async function verify(chain: Chain, order: Order, told: (waiting: string) => void): Promise<void> {
  const last = order.to ?? Number.MAX_SAFE_INTEGER;
  const signed = chain.points.filter(({ standing }) => standing !== "refused");
  const noted = Math.max(
    0,
    ...order.notes.map((each) => each.seq),
    ...signed.map((each) => each.size),
  );
  let ahead: Asked | undefined;
  let windowEnd = chain.seq;
  let failures = 0;
  let looks = 0;
  let toldAt = 0;
  while (chain.seq < last) {
    const seen = Math.min(last, Math.max(head, noted)); // there is no less than this
    const from = chain.seq + 1;
    if (from > windowEnd) windowEnd = Math.min(last, chain.seq + WINDOW_EVENTS);
    const asked = ahead?.from === from ? ahead : new Asked(from, windowEnd);
    if (asked === ahead) ahead = undefined;
    if (seen > windowEnd) {
      ahead ??= new Asked(windowEnd + 1, Math.min(last, windowEnd + WINDOW_EVENTS));
    }
    let cut: ApiError | undefined;
    try {
      for await (const bytes of asked.read()) {
        chain.take(bytes);
        if (chain.fault) return;
        const now = performance.now();
        if (now - toldAt >= TELL_MS) {
          toldAt = now;
          told("");
        }
      }
      if (chain.cutOff()) cut = CUT_OFF;
    } catch (error) {
      chain.cutOff();
      if (!(error instanceof ApiError)) throw error;
      if (error.code === "INTEGRITY") {
        const seq = Math.max(error.seq, chain.seq + 1);
        chain.fault = { kind: "refused", seq, expected: "", found: error.message };
        return;
      }
      if (!PASSING.has(error.status)) throw error;
      cut = error;
    }
    if (chain.seq >= from) {
      failures = 0;
      looks = 0;
      // Whatever is sealed meanwhile would keep it going for ever.
      if (!cut && seen > 0 && chain.seq >= seen) return;
    } else if (cut) {
      failures++;
      if (cut === CUT_OFF && failures >= MAX_CUTS) throw cut;
      told(cut.message);
      const seconds = cut.retryAfterSeconds || 2 ** failures / 2;
      await pause(Math.min(seconds, LONGEST_WAIT_SECONDS));
    } else if (chain.seq >= seen) {
      return;
    } else if (++looks >= MAX_LOOKS_AT_END) {
      const note = order.notes.find((each) => each.seq > chain.seq && each.seq <= last);
      const point = signed.find((each) => each.size > chain.seq);
      const [expected, found] = [String(note?.seq ?? point?.size ?? seen), String(chain.seq)];
      const source = note ? { note } : point ? { point } : {};
      chain.fault = { kind: "ended", seq: from, expected, found, ...source };
      return;
    } else await pause(1); // one part of Tocsin may be behind another, for a moment
  }
}

const PASSING = new Set([0, 429, 502, 503, 504]);

const CUT_OFF = new ApiError(
  0,
  "CUT_OFF",
  "The answers end in the middle of this event. Whatever is between this page and Tocsin cuts them off: try another network, or `tocsin verify`.",
  undefined,
  0,
);

const STALLED = new ApiError(0, "STALLED", "Nothing has come for a minute.", undefined, 0);

/** One request, which is on its way from the beginning. */
class Asked {
  readonly from: number;
  readonly #abort = new AbortController();
  readonly #answer: Promise<Response>;

  constructor(from: number, to: number) {
    this.from = from;
    this.#answer = entries(from, to, this.#abort.signal);
    this.#answer.catch(() => undefined); // it is heard when it is this one's turn
  }

  async *read(): AsyncGenerator<Uint8Array> {
    try {
      const answer = await within(this.#answer);
      const reader = answer.body?.getReader();
      while (reader) {
        const { done, value } = await within(reader.read());
        if (done) return;
        yield value;
      }
    } catch (error) {
      // What else a body ends with is the network's.
      throw error instanceof ApiError ? error : UNREACHED;
    } finally {
      this.#abort.abort();
    }
  }
}

const UNREACHED = new ApiError(0, "OUT_OF_REACH", "The connection was lost.", undefined, 0);

async function within<T>(what: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(STALLED), STALL_MS);
  });
  return Promise.race([what, late]).finally(() => clearTimeout(timer));
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
}

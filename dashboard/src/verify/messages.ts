/** What the page and the worker tell each other. */

import type { Fault } from "./chain.ts";
import type { Point } from "./checkpoints.ts";
import type { Note } from "./notes.ts";

export interface Order {
  org: string;
  /** The last event that is verified already, and the hash there; "": taken from the first line. */
  seq: number;
  hash: string;
  /** The last one to verify; undefined: the newest. */
  to: number | undefined;
  notes: readonly Note[];
  /** The tree's peaks after `seq`, in hex; undefined: it was begun in the middle. */
  peaks: string | undefined;
  /** The keys that are trusted, and the checkpoints that somebody kept. */
  keys: string;
  kept: readonly string[];
  /** What is known of checkpoints already. */
  points: readonly Point[];
  /** The newest event that the page knows of; 0: it does not know. */
  head: number;
}

export type ToWorker = { order: Order } | { head: number };

/** How far a worker has come since its order. */
export interface Progress {
  seq: number;
  hash: string;
  before: string;
  events: number;
  leaves: number;
  bytes: number;
  ms: number;
  peaks: string | undefined;
  points: readonly Point[];
  /** Why there is no last checkpoint among them; "": there is one. */
  unsigned: string;
}

/** `waiting`: why nothing comes just now; "": something does. */
export type FromWorker = { progress: Progress; waiting: string } & (
  | { end?: never }
  | { end: "verified" }
  | { end: "found"; fault: Fault }
  | { end: "failed"; status: number; trouble: string }
);

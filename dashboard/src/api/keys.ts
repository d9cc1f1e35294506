/** The org's keys, and what it has used of its quota: `/api/v1/keys`, `/api/v1/usage`. */

import { get } from "./http.ts";
import type { Scope } from "./session.ts";

/** A key, of which nobody is told the secret. What it does not have is null. */
export interface Key {
  id: string;
  name: string;
  person: string | null;
  agent: string | null;
  delegated_by: string | null;
  scopes: Scope[];
  types: string[] | null;
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
}

/** Events of a month of UTC (`2026-03`). */
export interface Usage {
  month: string;
  quota: number;
  used: number;
  left: number;
}

export const listKeys = async (signal?: AbortSignal) =>
  (await get<{ data: Key[] }>("/api/v1/keys", undefined, signal)).data;

export const readUsage = (signal?: AbortSignal) => get<Usage>("/api/v1/usage", undefined, signal);

/** What a key can do at a time (Unix ms): one that is revoked or over can do nothing. */
export function keyState(key: Key, nowMs: number): "active" | "revoked" | "expired" {
  if (key.revoked_at !== null) return "revoked";
  return key.expires_at !== null && Date.parse(key.expires_at) <= nowMs ? "expired" : "active";
}

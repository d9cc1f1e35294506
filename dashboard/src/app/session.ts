/** Who is signed in, and what they may do. */

import { computed, signal } from "@preact/signals";
import { ApiError } from "../api/http.ts";
import * as api from "../api/session.ts";
import { log } from "../live/log.ts";
import { onRefusal } from "./refused.ts";

export type Phase = "asking" | "out" | "in";

/** Whether somebody is signed in; `asking` until it is known. */
export const phase = signal<Phase>("asking");
export const who = signal<api.Who | null>(null);
/** Why nobody is signed in any more, in a sentence; "": nobody was. */
export const reason = signal("");

export const org = computed(() => who.value?.org ?? "");

/** Whether the key of who is signed in carries a scope. */
export function can(scope: api.Scope): boolean {
  const scopes = who.value?.scopes ?? [];
  return scopes.includes(scope) || scopes.includes("admin");
}

/** Tabs share the cookie: when one changes it, the others learn whose events they get now. */
const tabs = new BroadcastChannel("tocsin.session");
tabs.onmessage = () => void look();

export async function resume(): Promise<void> {
  phase.value = "asking";
  await look();
}

/** Ask who is signed in: nobody knows what became of the cookie meanwhile. */
export async function look(): Promise<void> {
  try {
    entered(await api.whoIsSignedIn());
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) left(reason.value);
    else if (phase.value === "asking") left(error instanceof Error ? error.message : String(error));
  }
}

export async function signIn(key: string, add = false): Promise<void> {
  entered(await api.signIn(key.trim(), add));
  tabs.postMessage("");
}

export async function switchTo(to: string): Promise<void> {
  entered(await api.switchOrg(to));
  tabs.postMessage("");
}

export async function signOut(everywhere: boolean): Promise<void> {
  await api.signOut(everywhere);
  tabs.postMessage("");
  left(everywhere ? "You are signed out in every browser." : "You are signed out.");
}

function entered(signedIn: api.Who): void {
  reason.value = "";
  who.value = signedIn;
  phase.value = "in";
  log.start(signedIn.org);
}

function left(why: string): void {
  log.stop();
  who.value = null;
  reason.value = why;
  phase.value = "out";
}

onRefusal((error) => {
  if (error.status === 401 && phase.value === "in") {
    left("Your session is over: sign in again, and you are back where you were.");
  }
});

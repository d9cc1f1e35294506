/** Whom the viewer trusts, and the checkpoints that they kept: for the org that is seen. */

import { effect, signal, untracked } from "@preact/signals";
import { kept, keep as write } from "../app/kept.ts";
import { org } from "../app/session.ts";
import { parseKeys, type Verifier } from "./verifiers.ts";

/** The keys as they were given, and whether this browser keeps them. */
export const trust = signal({ keys: "", remembered: false });
/** The checkpoints as they were given: a run keeps those that it is held against. */
export const given = signal("");

/** Trust these keys from now on; only if asked to, beyond this visit. */
export function trustKeys(keys: string, remembered: boolean): void {
  trust.value = { keys, remembered };
  write(() => localStorage, name(org.value), remembered ? keys : "");
}

/** The keys that are trusted; none, while what is given is not right. */
export function trustedKeys(): Verifier[] {
  try {
    return parseKeys(trust.value.keys, org.value);
  } catch {
    return [];
  }
}

const name = (org: string) => `tocsin.trusted.${org}`;

effect(() => {
  const now = org.value;
  untracked(() => {
    const keys = (now && kept(() => localStorage, name(now))) || "";
    trust.value = { keys, remembered: keys !== "" };
    given.value = "";
  });
});

/** Signing in and out: `/api/v1/session`. */

import { change, get } from "./http.ts";

export type Scope = "ingest" | "read" | "approve" | "admin";

/** Who is signed in; `org` is the active one of `orgs`. */
export interface Who {
  org: string;
  scopes: Scope[];
  expires_at: string | null;
  orgs: string[];
}

export const whoIsSignedIn = () => get<Who>("/api/v1/session");

/** Exchange a key for a cookie; with `add` the orgs that the cookie holds stay. */
export const signIn = (key: string, add: boolean) =>
  change<Who>("POST", "/api/v1/session", add ? { add } : undefined, {
    headers: { Authorization: `Bearer ${key}` },
  });

export const switchOrg = (org: string) => change<Who>("POST", "/api/v1/session/org", { org });

export const signOut = (everywhere: boolean) =>
  change<void>("DELETE", "/api/v1/session", undefined, {
    query: everywhere ? { everywhere } : undefined,
  });

/**
 * Where one is: the address' fragment, `#/<view>/<id>?<name>=<value>`.
 *
 * So a view can be sent to somebody, the browser's back button works, and no server's log has what
 * one looks for: a fragment is not sent.
 */

import { signal } from "@preact/signals";

export interface Route {
  view: string;
  /** What of the view is open; "": nothing. */
  id: string;
  params: Record<string, string>;
}

export function parseRoute(fragment: string): Route {
  const [path = "", query = ""] = split(fragment.replace(/^#?\/?/, ""), "?");
  const [view = "", id = ""] = split(path, "/");
  return {
    view: decoded(view),
    id: decoded(id),
    params: Object.fromEntries(new URLSearchParams(query)),
  };
}

export function routeText(view: string, id = "", params: Record<string, string | undefined> = {}) {
  const given = Object.entries(params).filter((each): each is [string, string] => !!each[1]);
  const query = given.length > 0 ? `?${new URLSearchParams(given)}` : "";
  return `#/${encodeURIComponent(view)}${id ? `/${encodeURIComponent(id)}` : ""}${query}`;
}

export const route = signal<Route>({ view: "", id: "", params: {} });

/** Follow the address; call it once. */
export function followAddress(): void {
  const follow = () => {
    route.value = parseRoute(location.hash);
  };
  addEventListener("hashchange", follow);
  addEventListener("popstate", follow);
  follow();
}

/** Go somewhere; with `replace` the back button leads past where one was. */
export function go(to: string, { replace = false } = {}): void {
  if (to === location.hash) return;
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  route.value = parseRoute(to);
}

/** Change parameters of where one is: undefined or "" takes one away. */
export function setParams(
  params: Record<string, string | undefined>,
  options: { replace?: boolean } = {},
): void {
  const here = route.value;
  go(routeText(here.view, here.id, { ...here.params, ...params }), options);
}

function split(text: string, at: string): [string, string] {
  const index = text.indexOf(at);
  return index < 0 ? [text, ""] : [text.slice(0, index), text.slice(index + 1)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray percent sign in a typed address
  }
}

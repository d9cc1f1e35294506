/** A notification of the browser's when a call waits and nobody looks at the page. */

import { signal } from "@preact/signals";
import type { Listed } from "../../api/approvals.ts";
import { keep, kept } from "../../app/kept.ts";
import { go, routeText } from "../../app/route.ts";
import { oneLine } from "../../ui/text.ts";

const NAME = "tocsin.notify";
/** Many that come at once are told together. */
const AT_MOST_EVERY_MS = 5_000;

/** `absent`: this browser has none, or the page is not served over https. */
export type Permission = NotificationPermission | "absent";

export const permission = signal<Permission>(asked());
/** Whether they are wanted in this browser, if they are permitted. */
export const wanted = signal(kept(() => localStorage, NAME) !== "off");

let shown: Notification | undefined;
let untold = new Map<string, Listed>();
let told = new Set<string>();
let timer: ReturnType<typeof setTimeout> | undefined;
let toldAt = Number.NEGATIVE_INFINITY;

addEventListener("focus", () => {
  permission.value = asked(); // it may have been changed in the browser's settings
});

/** Turn them on or off; the browser asks the person the first time. */
export async function want(on: boolean): Promise<void> {
  if (on && permission.value === "default") {
    permission.value = await Notification.requestPermission();
  }
  wanted.value = on;
  keep(() => localStorage, NAME, on ? "on" : "off");
}

/** Tell of calls that have just come. */
export function notify(fresh: readonly Listed[]): void {
  const unseen = document.hidden || !document.hasFocus();
  if (!unseen || !wanted.value || permission.value !== "granted") return;
  for (const each of fresh) untold.set(each.id, each);
  if (untold.size === 0) return;
  const wait = toldAt + AT_MOST_EVERY_MS - performance.now();
  if (wait <= 0) tell();
  else timer ??= setTimeout(tell, wait);
}

/** Take back what is told of calls that do not wait any more. */
export function withdraw(waits: (id: string) => boolean): void {
  untold = new Map([...untold].filter(([id]) => waits(id)));
  if (shown && ![...told].some(waits)) {
    shown.close();
    shown = undefined;
  }
}

function tell(): void {
  clearTimeout(timer);
  timer = undefined;
  const calls = [...untold.values()];
  untold = new Map();
  const [first] = calls;
  if (!first) return;
  toldAt = performance.now();
  told = new Set(calls.map((each) => each.id));
  // Who and with what, not what: it shows on locked screens.
  const body = calls.slice(0, 3).map((each) => oneLine(`${each.agent}: ${each.tool}`, 80));
  const title = calls.length === 1 ? "A call waits for you" : `${calls.length} calls wait for you`;
  try {
    shown = new Notification(title, { body: body.join("\n"), tag: "tocsin.approvals" });
  } catch {
    permission.value = "absent"; // Chrome on Android has none from a page
    return;
  }
  shown.onclick = () => {
    window.focus();
    go(routeText("approvals", first.id));
    shown?.close();
  };
}

function asked(): Permission {
  return "Notification" in window && isSecureContext ? Notification.permission : "absent";
}

/** Alerts that nobody has answered, wherever one is in the page. */

import { effect, signal } from "@preact/signals";
import { listAnomalies, REVIEWED } from "../../api/anomalies.ts";
import { org } from "../../app/session.ts";
import { log } from "../../live/log.ts";

/** How many there are; at most so many are counted. */
export const openCount = signal(0);

const MOST = 100;
const EVERY_MS = 5_000;

let timer: ReturnType<typeof setTimeout> | undefined;
let readAt = Number.NEGATIVE_INFINITY;

effect(() => {
  if (log.state.value === "live") soon();
  if (log.state.value === "stopped") openCount.value = 0;
});
log.listen((events) => {
  if (events.some((event) => event.type === "anomaly" || event.type === REVIEWED)) soon();
});

function soon(): void {
  const wait = Math.max(readAt + EVERY_MS - performance.now(), 200);
  if (timer === undefined) timer = setTimeout(() => void read(), wait);
}

async function read(): Promise<void> {
  timer = undefined;
  readAt = performance.now();
  const of = org.peek();
  try {
    const page = await listAnomalies({ status: "open" }, { limit: MOST, next: undefined });
    if (of === org.peek()) openCount.value = page.items.length;
  } catch {
    openCount.value = 0; // a key that may not see them, or nothing to be had: the view says which
  }
}

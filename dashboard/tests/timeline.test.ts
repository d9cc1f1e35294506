import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { signal } from "@preact/signals";
import { eventOf, type Fields, type LoggedEvent } from "../src/api/events.ts";
import type { Listener, Log, State } from "../src/live/log.ts";
import { Timeline } from "../src/views/sessions/timeline.ts";

const START = Date.parse("2026-03-01T10:00:00Z");
const fields = (seq: number, session = "s"): Fields => {
  const at = new Date(START + seq * 1_000).toISOString();
  return { seq, id: `e${seq}`, session_id: session, timestamp: at, received_at: at };
};

/** A log that says what a test has it say. */
class SaidLog {
  state = signal<State>("live");
  listener: Listener = () => undefined;
  listen(listener: Listener) {
    this.listener = listener;
    return () => undefined;
  }
  says(...events: LoggedEvent[]) {
    this.listener(events);
  }
}

let ledger: Fields[];
let requests: string[];

beforeEach(() => {
  ledger = [];
  requests = [];
  Object.assign(globalThis, {
    location: { origin: "http://x" },
    fetch: async (url: string) => {
      requests.push(url);
      const query = new URL(url, "http://x").searchParams;
      const before = Number(query.get("before") ?? Number.POSITIVE_INFINITY);
      const all = ledger.filter((each) => (each.seq as number) < before).reverse();
      const page = all.slice(0, Number(query.get("limit")));
      const next = `/api/v1/events?limit=${query.get("limit")}&before=${page.at(-1)?.seq}`;
      const headers = all.length > page.length ? { Link: `<${next}>; rel="next"` } : undefined;
      return new Response(JSON.stringify(page), headers ? { headers } : {});
    },
  });
});

const started = async (log: SaidLog) => {
  const timeline = new Timeline("s", log as unknown as Log);
  const stop = timeline.start();
  await idle(timeline);
  return { timeline, stop };
};
const idle = async (timeline: Timeline) => {
  while (timeline.loading.peek()) await new Promise(setImmediate);
};
const drawn = async (timeline: Timeline) => {
  const was = timeline.revision.peek();
  while (timeline.revision.peek() === was) await new Promise((done) => setTimeout(done, 10));
};
const seqs = (timeline: Timeline) => timeline.moments.map((each) => each.seq);

test("a long session is read page by page, and no further than it is asked for", async () => {
  ledger = Array.from({ length: 5_000 }, (_, index) => fields(index + 1));
  const { timeline, stop } = await started(new SaidLog());
  assert.equal(timeline.moments.length, 2_000);
  assert.equal(timeline.more.peek(), true);
  await timeline.load();
  assert.equal(timeline.moments.length, 2_500);
  await timeline.load(9_000);
  assert.equal(timeline.moments.length, 5_000);
  assert.equal(timeline.more.peek(), false);
  assert.deepEqual([seqs(timeline)[0], seqs(timeline).at(-1)], [5_000, 1]);
  stop();
});

test("what comes stands where its time says, once, and costs no request", async () => {
  ledger = [fields(1), fields(3)];
  const log = new SaidLog();
  const { timeline, stop } = await started(log);
  const asked = requests.length;
  const late = { ...fields(4), timestamp: fields(2).timestamp };
  for (const each of [fields(3), late, fields(5, "other"), fields(6)]) log.says(eventOf(each));
  await drawn(timeline);
  assert.deepEqual(seqs(timeline), [6, 3, 4, 1]);
  assert.equal(requests.length, asked);
  stop();
});

test("after a cut nothing is missing in the middle", async () => {
  ledger = [fields(1), fields(2)];
  const log = new SaidLog();
  const { timeline, stop } = await started(log);
  log.state.value = "cut";
  ledger.push(fields(3));
  log.says(eventOf(fields(4))); // the log has the newest again, before it is live
  ledger.push(fields(4));
  log.state.value = "live";
  await idle(timeline);
  assert.deepEqual(seqs(timeline), [4, 3, 2, 1]);

  log.state.value = "cut";
  ledger.push(...Array.from({ length: 2_000 }, (_, index) => fields(index + 5)));
  log.state.value = "live";
  await idle(timeline);
  assert.equal(timeline.more.peek(), true); // the pages before are read once more, as asked for
  assert.deepEqual(
    seqs(timeline),
    Array.from({ length: 500 }, (_, index) => 2_004 - index),
  );
  stop();
});

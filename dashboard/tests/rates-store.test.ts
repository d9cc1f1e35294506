import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { signal } from "@preact/signals";
import { eventOf, type LoggedEvent } from "../src/api/events.ts";
import type { Listener, Log, Missed, State } from "../src/live/log.ts";
import { Rates } from "../src/live/rates.ts";

const DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";
let asked: string[] = [];
/** How many events the ledger has; each was received a second before the next. */
let size = 0;
let failing = false;

/** The log, as far as rates look at it. */
class FakeLog {
  state = signal<State>("live");
  missed = signal<Missed | null>(null);
  head = signal(0);
  listener: Listener = () => undefined;

  listen(listener: Listener): () => void {
    this.listener = listener;
    return () => undefined;
  }
}

function event(seq: number): LoggedEvent {
  let [time, rest] = ["", Date.now() - (size - seq) * 1_000];
  for (; time.length < 10; rest = Math.floor(rest / 32)) time = DIGITS[rest % 32] + time;
  const id = `evt_${time}00000000000000zz`;
  return eventOf({ seq, id, type: "tool_call", tool_name: "t", action: "allow" });
}

beforeEach(() => {
  [asked, size, failing] = [[], 0, false];
  globalThis.location = { origin: "http://tocsin" } as Location;
  globalThis.fetch = async (input) => {
    const url = new URL(String(input), "http://tocsin");
    asked.push(url.pathname + url.search);
    if (failing) return new Response("{}", { status: 500 });
    const [limit, before] = ["limit", "before"].map((name) => Number(url.searchParams.get(name)));
    const first = Math.max((before ?? 0) - (limit ?? 0), 1);
    const seqs = Array.from({ length: (before ?? 0) - first }, (_, n) => (before ?? 0) - 1 - n);
    const items = seqs.map((seq) => JSON.parse(event(seq).text));
    const more = first > 1 ? `</api/v1/events?limit=${limit}&before=${first}>; rel="next"` : "";
    return new Response(JSON.stringify(items), { headers: more ? { Link: more } : {} });
  };
});

function made(): { log: FakeLog; rates: Rates } {
  const log = new FakeLog();
  log.head.value = size;
  return { log, rates: new Rates(log as unknown as Log) };
}

async function settled(rates: Rates): Promise<void> {
  while (rates.reading.value) await new Promise(setImmediate);
}

function total(rates: Rates): number {
  const to = rates.counts.newest;
  return rates.counts.read("tool", to - 359, to, 8).total;
}

test("what was before is read until the time is covered, and once", async () => {
  size = 20_000;
  const { rates, log } = made();
  rates.show(15);
  await settled(rates);
  assert.equal(asked.length, 1); // 1,000 seconds
  rates.show(60);
  await settled(rates);
  assert.equal(asked.length, 4);
  assert.equal(rates.cutOff, false);
  assert.equal(total(rates), 4_000);
  log.listener([event(20_000), event(20_001)]); // the first is in the list, too
  assert.equal(total(rates), 4_001);
});

test("after ten requests it says from when on it knows", async () => {
  size = 20_000;
  const { rates } = made();
  rates.show(360);
  await settled(rates);
  assert.equal(asked.length, 10);
  assert.equal(rates.cutOff, true);
  const behind = Date.now() - rates.knownFromMs; // 10,000 events, a second each
  assert.ok(behind > 9_980_000 && behind < 10_010_000, `${behind} ms`);
});

test("an org without an event is covered at once", async () => {
  const { rates } = made();
  rates.show(360);
  await settled(rates);
  assert.equal(asked.length, 1);
  assert.equal(rates.knownFromMs, 0);
});

test("what came while the stream was cut off is read, and counted once", async () => {
  size = 500;
  const { rates, log } = made();
  rates.show(60);
  await settled(rates);
  size = 3_000;
  log.missed.value = { after: 500, until: 3_000 }; // told before its events and its head are
  log.head.value = 3_000;
  log.listener(Array.from({ length: 200 }, (_, n) => event(2_801 + n)));
  await settled(rates);
  assert.equal(total(rates), 3_000);
});

test("who does not look asks for nothing, and finds all when they look again", async () => {
  size = 500;
  const { rates, log } = made();
  rates.show(60);
  await settled(rates);
  rates.hide();
  log.listener([event(501)]);
  assert.equal(total(rates), 501);
  size = 2_500;
  log.missed.value = { after: 501, until: 2_500 };
  log.head.value = 2_500;
  await settled(rates);
  assert.equal(asked.length, 1);
  rates.show(60);
  await settled(rates);
  assert.equal(total(rates), 2_500);
});

test("another org begins with nothing, and so does a ledger made anew", async () => {
  size = 500;
  const { rates, log } = made();
  rates.show(60);
  await settled(rates);
  log.state.value = "stopped";
  assert.equal(total(rates), 0);
  size = 7;
  log.head.value = 7;
  log.state.value = "live";
  await settled(rates);
  assert.equal(total(rates), 7);
  size = 3;
  log.head.value = 3;
  log.listener([event(1), event(2), event(3)]);
  await settled(rates);
  assert.equal(total(rates), 3);
});

test("what can't be read is said, and read when it is tried again", async () => {
  size = 500;
  failing = true;
  const { rates } = made();
  rates.show(60);
  await settled(rates);
  assert.equal(rates.problem.value?.status, 500);
  failing = false;
  rates.retry();
  await settled(rates);
  assert.equal(rates.problem.value, undefined);
  assert.equal(total(rates), 500);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Attempt, Endpoint } from "../src/api/endpoints.ts";
import {
  failingSince,
  nameOf,
  newSecret,
  placeOf,
  resultOf,
  sentenceOf,
  stateOf,
  triedNext,
  typesOf,
} from "../src/views/deliveries/state.ts";

const NOW = Date.parse("2026-03-19T10:00:00Z");
const at = (seconds: number) => new Date(NOW + seconds * 1_000).toISOString();

function endpoint(more: Partial<Endpoint> = {}): Endpoint {
  const none = { types: null, agent_id: null, tool_name: null, action: null, severity: null };
  const times = { last_delivered_at: null, failing_since: null, held_until: null };
  return {
    ...none,
    ...times,
    id: "ep_1",
    url: "https://example.com/hook",
    description: "",
    format: "tocsin",
    order: "relaxed",
    escalation: false,
    links: false,
    public_keys: [],
    status: "active",
    reason: null,
    created_at: at(-1),
    changed_at: at(-1),
    changed_by: "maria",
    through_seq: 7,
    failing: [],
    delivered: 0,
    given_up: 0,
    slow_until: null,
    replays: [],
    ...more,
  };
}

const fails = (seq: number, attempts: number, first: number, next: number) => ({
  seq,
  attempts,
  first_attempt_at: at(first),
  next_attempt_at: at(next),
});

test("an endpoint is what needs somebody most", () => {
  const failing = [fails(4, 2, -300, 60)];
  assert.equal(stateOf(endpoint(), NOW), "active");
  assert.equal(stateOf(endpoint({ failing }), NOW), "failing");
  assert.equal(stateOf(endpoint({ failing_since: at(-5) }), NOW), "failing");
  assert.equal(stateOf(endpoint({ failing, status: "paused" }), NOW), "paused");
  assert.equal(stateOf(endpoint({ held_until: at(5) }), NOW), "slow");
  assert.equal(stateOf(endpoint({ slow_until: at(5) }), NOW), "slow");
  assert.equal(stateOf(endpoint({ held_until: at(-5), slow_until: at(-5) }), NOW), "active");
});

test("what is just being sent is no failure, and a name that is not resolved is told apart", () => {
  assert.equal(stateOf(endpoint({ failing: [fails(4, 0, 0, 0)] }), NOW), "active");
  const waits = endpoint({ failing: [fails(4, 0, -10, 30)] });
  assert.equal(stateOf(waits, NOW), "slow");
  assert.match(sentenceOf(waits, NOW), /1 delivery waits: its address .* tried again in 30 s/);
});

test("how many wait, since when, and when the next is tried", () => {
  const failing = [fails(4, 3, -300, 240), fails(9, 1, -20, 5)];
  const of = endpoint({ failing, failing_since: at(-280) });
  assert.equal(failingSince(of), at(-300));
  assert.equal(triedNext(of), at(5));
  assert.equal(sentenceOf(of, NOW), "2 deliveries wait for 5 min, tried again in 5 s");
  // In strict order nothing is tried before the first; and nothing before the endpoint is left alone no more.
  assert.equal(triedNext({ ...of, order: "strict" }), at(240));
  assert.equal(triedNext({ ...of, held_until: at(100) }), at(100));
  assert.equal(triedNext({ ...of, status: "paused" }), "");
  assert.equal(sentenceOf({ ...of, status: "paused" }, NOW), "2 deliveries wait");
  assert.equal(triedNext(endpoint()), "");
  assert.equal(sentenceOf(endpoint(), NOW), "");
});

test("an attempt's result is a word, and why", () => {
  const one: Attempt = {
    seq: 4,
    until_seq: 4,
    event_id: "evt_1",
    type: "tool_call",
    attempt: 1,
    at: at(0),
    outcome: "delivered",
    status: 204,
    latency_ms: 3,
    error: null,
    answer: null,
    given_up: false,
  };
  assert.deepEqual(resultOf(one), ["204", "ok", ""]);
  assert.deepEqual(resultOf({ ...one, outcome: "slowed", status: 429 }), ["429", "warning", ""]);
  const timeout = resultOf({ ...one, outcome: "failed", status: null, error: "timeout" });
  assert.deepEqual(timeout, ["timeout", "error", "it did not answer in 15 seconds"]);
  const later = resultOf({ ...one, outcome: "failed", status: null, error: "constructor\u202e" });
  assert.deepEqual(later, ["constructor\\u{202e}", "error", ""]);
});

test("names, types and secrets", () => {
  assert.equal(nameOf(endpoint()), "example.com/hook");
  assert.equal(nameOf(endpoint({ url: "http://127.0.0.1:1/x" })), "http://127.0.0.1:1/x");
  assert.equal(nameOf(endpoint({ description: "Billing" })), "Billing");
  const place = (url: string, format = "tocsin") => placeOf(endpoint({ url, format }));
  assert.equal(place("https://a.example/x/y?token=abc"), "a.example/x/y");
  assert.equal(place("https://hooks.slack.com/services/T0/B0/abc", "slack"), "hooks.slack.com/…");
  assert.equal(place("http://127.0.0.1:8/services/abc", "slack"), "http://127.0.0.1:8/…");
  assert.equal(place("mailto:ops@example.com", "email"), "mailto:ops@example.com");
  assert.equal(place("s3://bucket/prefix", "s3"), "s3://bucket/prefix");
  assert.deepEqual(typesOf(" tool_call,anomaly\n approval.created ,, "), [
    "tool_call",
    "anomaly",
    "approval.created",
  ]);
  assert.match(newSecret(), /^whsec_[A-Za-z0-9+/]{43}=$/);
  assert.notEqual(newSecret(), newSecret());
});

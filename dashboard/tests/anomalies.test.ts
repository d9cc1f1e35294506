import assert from "node:assert/strict";
import { test } from "node:test";
import type { Anomaly } from "../src/api/anomalies.ts";
import { localText, snoozeOf } from "../src/views/anomalies/snoozing.ts";
import { amount, chance, subjectOf, titleOf } from "../src/views/anomalies/words.ts";

test("a probability is said as people say it", () => {
  assert.equal(chance(0.25), "about 25 in 100");
  assert.equal(chance(9.194702331111668e-6), "about 1 in 110,000");
  assert.equal(chance(0.011), "about 1 in 91");
  assert.equal(chance(9.8e-305), "less than 1 in a million million");
  assert.equal(chance(0), "next to never");
  assert.equal(chance(Number.NaN), "next to never");
});

test("figures have their unit, and as many digits as mean something", () => {
  assert.equal(amount(4.950698251108678, "calls a minute"), "4.95 calls a minute");
  assert.equal(amount(1234567.8, "ms"), "1,234,568 ms");
  assert.equal(amount(0.25, "USD"), "$0.25");
  assert.equal(amount(0.0000123, "USD"), "$0.00");
});

test("a subject is named by what events know it by", () => {
  const subject = (subject: Anomaly["subject"]) => subjectOf({ subject } as Anomaly);
  assert.equal(subject({ kind: "agent", agent_id: "a/b" }), "a/b");
  assert.equal(subject({ kind: "tool", tool_name: "t", server_id: "s" }), "t of s");
  assert.equal(subject({ kind: "model", model: "m" }), "m");
  assert.equal(subject({ kind: "org" }), "the whole organization");
});

test("kinds are words", () => {
  assert.equal(titleOf("new_model_or_provider"), "New model or provider");
});

test("a snooze is for some seconds, or until a local time", () => {
  assert.deepEqual(snoozeOf("hour", ""), { seconds: 3_600 });
  const at = Date.parse("2026-03-01T10:00:00Z");
  assert.deepEqual(snoozeOf("until", localText(at)), { until: "2026-03-01T10:00:00.000Z" });
});

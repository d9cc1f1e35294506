import assert from "node:assert/strict";
import { test } from "node:test";
import { eventOf, type Fields } from "../src/api/events.ts";
import { momentOf } from "../src/ui/moment.ts";

const RECEIVED = "2026-03-01T10:00:00.000Z";
const of = (fields: Fields) => momentOf(eventOf({ received_at: RECEIVED, ...fields }));

test("how an event ended is told as its session counts it", () => {
  const outcome = (fields: Fields) => of(fields).outcome;
  assert.equal(outcome({ type: "anomaly", action: "alert", status: "warning" }), "anomaly");
  assert.equal(outcome({ action: "deny", status: "error" }), "denied");
  for (const status of ["error", "Failed", "TIMEOUT", "404", "500"]) {
    assert.equal(outcome({ status }), "failed", status);
  }
  for (const status of ["ok", "200", "600", "", undefined, 500]) {
    assert.equal(outcome({ status }), "ok", String(status));
  }
});

test("a time that can't be is not believed", () => {
  const at = (timestamp: string) => new Date(of({ timestamp }).atMs).toISOString();
  assert.equal(at("2026-03-01T09:59:00.000Z"), "2026-03-01T09:59:00.000Z");
  assert.equal(at("2099-01-01T00:00:00.000Z"), RECEIVED);
  assert.equal(at("1970-01-01T00:00:00.000Z"), RECEIVED);
  assert.equal(at("yesterday"), RECEIVED);
});

test("an event says what it has to say, and its data may be anything", () => {
  assert.equal(of({ decision: { message: "no" }, request: "rm" }).note, "no");
  assert.equal(of({ request: { sql: "DROP" } }).note, '{"sql":"DROP"}');
  assert.equal(of({ request: "x".repeat(10_000) }).note.length, 200);
  for (const data of [null, 1, "text", [], { description: 7 }]) assert.equal(of({ data }).note, "");
});

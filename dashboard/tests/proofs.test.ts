import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { checkProof, parseProof } from "../src/verify/proofs.ts";
import { parseKeys } from "../src/verify/verifiers.ts";

// What Python writes of event 5 of chain.jsonl, signed by the key that is beside it.
const { proof: PROOF, key: KEY } = JSON.parse(
  readFileSync(new URL("signed.json", import.meta.url), "utf8"),
) as { proof: string; key: string };
const EVENT = { seq: 5, fields: { id: "evt_5", error: '"leaf":"00"}', model: null } };

const bytes = (text: string) => new TextEncoder().encode(text);
const check = (text: string, event: Parameters<typeof checkProof>[1] = EVENT, org = "acme") =>
  checkProof(bytes(text), event, org, parseKeys(org === "acme" ? KEY : "", org));

test("an event that is in the log is shown to be", async () => {
  const { point, hashes } = await check(PROOF);
  assert.deepEqual([point.standing, point.size, hashes], ["trusted", 5, 1]);
});

test("nothing else is", async () => {
  const [first = "", extra = "", index = "", hash = ""] = PROOF.split("\n");
  const cases: [string, string, RegExp][] = [
    ["another event", PROOF.replace(extra, `extra ${btoa('{"id":"evt_6"}')}`), /does not lead/],
    ["without the event", PROOF.replace(`${extra}\n`, ""), /older than the retention/],
    ["another index", PROOF.replace(index, "index 3"), /of event 4/],
    ["another hash", PROOF.replace(hash, `A${hash.slice(1)}`), /does not lead/],
    ["a hash less", PROOF.replace(`${hash}\n`, ""), /does not lead/],
    ["a hash more", PROOF.replace(hash, `${hash}\n${hash}`), /does not lead/],
    ["too many", PROOF.replace(hash, Array(64).fill(hash).join("\n")), /63 hashes/],
    ["a hash that is cut", PROOF.replace(hash, hash.slice(4)), /bytes and not 32/],
    ["another version", PROOF.replace(first, "c2sp.org/tlog-proof@v2"), /begins with/],
    ["no index", PROOF.replace(`${index}\n`, ""), /says the index/],
    ["an index with a sign", PROOF.replace(index, "index +4"), /decimal number/],
    ["no checkpoint", PROOF.slice(0, PROOF.indexOf("\n\n") + 2), /checkpoint is/],
    ["nothing", "", /begins with/],
    ["a page", "<html>\n\n", /begins with/],
  ];
  for (const [what, text, why] of cases) await assert.rejects(check(text), why, what);
  assert.throws(() => parseProof(Uint8Array.of(0xff, 0xfe)), /UTF-8/);
  await assert.rejects(check(PROOF, { ...EVENT, seq: 4 }), /of event 5/);
});

test("what is shown must be what is proved", async () => {
  await assert.rejects(check(PROOF, { seq: 5, fields: { ...EVENT.fields, error: "" } }), /“error”/);
  await assert.rejects(check(PROOF, { seq: 5, fields: { id: "evt_5" } }), /“error”/);
});

test("a checkpoint of another org, or that others signed, is no proof", async () => {
  assert.equal((await check(PROOF, EVENT, "beta")).point.standing, "refused");
  const changed = PROOF.replace("\n\ntocsin/7c1f0a52d0e8b936/acme\n", "\n\ntocsin/x/acme\n");
  assert.equal((await check(changed)).point.standing, "refused");
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "../src/api/http.ts";
import { settled } from "../src/ui/settle.ts";

const error = (status: number) => new ApiError(status, "", `${status}`, undefined, 0);
const fails = (status: number) => () => Promise.reject(error(status));
const gives = (value: string) => () => Promise.resolve(value);
const isNew = (now: string) => now === "new";

test("what was answered is not looked at again", async () => {
  assert.equal(await settled(gives("new"), fails(500), isNew), "new");
  for (const status of [400, 403, 409, 410, 429, 500, 503]) {
    await assert.rejects(settled(fails(status), gives("new"), isNew), { status });
  }
});

test("a lost answer is what is there now, and nobody is told what is not known", async () => {
  for (const status of [0, 502, 504]) {
    assert.equal(await settled(fails(status), gives("new"), isNew), "new");
    await assert.rejects(settled(fails(status), gives("old"), isNew), /so far it is not done/);
    await assert.rejects(settled(fails(status), fails(0), isNew), /may have been done/);
  }
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRoute, routeText } from "../src/app/route.ts";

const NAMES = ["a", "a/b", "a%2Fb", "a?b=c&d", "#", "é 漢 😀", "\u202e", " ", "..", "%", "+"];

test("a place is found again from its address, whatever its names contain", () => {
  for (const name of NAMES) {
    const params = { q: name, agent: `${name}${name}` };
    assert.deepEqual(parseRoute(routeText("feed", name, params)), {
      view: "feed",
      id: name,
      params,
    });
  }
});

test("what is empty is not in the address", () => {
  assert.equal(routeText("feed", "", { q: "", agent: undefined }), "#/feed");
});

test("any address leads somewhere", () => {
  for (const typed of ["", "#", "#/", "#/%", "#/feed/%zz?%zz=%", "#/feed///", "#feed?&&=&"]) {
    assert.equal(typeof parseRoute(typed).view, "string");
  }
});

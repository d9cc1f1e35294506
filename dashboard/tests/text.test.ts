import assert from "node:assert/strict";
import { test } from "node:test";
import { oneLine, visible } from "../src/ui/text.ts";

test("what is not seen, or steers the rest, shows as an escape", () => {
  assert.equal(visible("rm \u202egnp.exe"), "rm \\u{202e}gnp.exe");
  assert.equal(
    visible("a\u0000b\u001b[31m\u200bc\ufeff\u2066d"),
    "a\\u{0}b\\u{1b}[31m\\u{200b}c\\u{feff}\\u{2066}d",
  );
  assert.equal(visible("\ud800"), "\\u{d800}");
  assert.equal(visible("\u3164\u115f"), "\\u{3164}\\u{115f}");
});

test("what people write stays as it is", () => {
  for (const text of ["a\tb\nc", "漢字", "שלום", "👩‍🚀", "naïve – “quoted”", "<b>&amp;</b>"]) {
    assert.equal(visible(text), text);
  }
});

test("a row's text is one line and short, however long it is", () => {
  assert.equal(oneLine("a\n\n\tb"), "a b");
  assert.equal(oneLine("x".repeat(10_000), 10), `${"x".repeat(10)}…`);
});

/** What to verify: from where to where, and which hashes the chain has to go through. */

import { useEffect, useId, useRef, useState } from "preact/hooks";
import { route, setParams } from "../../app/route.ts";
import { org } from "../../app/session.ts";
import { Field } from "../../ui/parts.tsx";
import { visible, whole } from "../../ui/text.ts";
import { parseGiven } from "../../verify/checkpoints.ts";
import { parseNotes, parseRange } from "../../verify/notes.ts";
import { goOn, pause, remembered, run, start } from "../../verify/run.ts";
import { given as checkpoints, trust as keys } from "../../verify/trust.ts";
import { parseKeys } from "../../verify/verifiers.ts";

export function Order() {
  const { params } = route.value;
  const from = useRef<HTMLInputElement>(null);
  const to = useRef<HTMLInputElement>(null);
  const trust = useRef<HTMLTextAreaElement>(null);
  const [wrong, setWrong] = useState("");
  const problem = useId();
  const phase = run.value?.phase;
  const head = remembered.value;

  useEffect(() => {
    // The address is what counts: somebody may have followed a link, or gone back.
    if (from.current) from.current.value = params.from ?? "1";
    if (to.current) to.current.value = params.to ?? "";
    if (trust.current) trust.current.value = params.trust ?? "";
    setWrong(wrongWith(params.from, params.to, params.trust));
  }, [params.from, params.to, params.trust]);

  const order = (given: { from: string; to: string; trust: string }) => {
    const said = wrongWith(given.from, given.to, given.trust) || wrongWithEvidence();
    setWrong(said);
    if (said) return;
    const range = parseRange(given.from, given.to);
    start(range.from, range.to, parseNotes(given.trust, org.value));
    setParams(given);
  };
  const submit = (event: Event) => {
    event.preventDefault();
    if (phase === "running") return pause();
    order({
      from: from.current?.value.trim() || "1",
      to: to.current?.value.trim() ?? "",
      trust: trust.current?.value.trim() ?? "",
    });
  };
  return (
    <form class="panel order" onSubmit={submit} noValidate aria-label="What to verify">
      <div class="range">
        <Field label="From">
          {(id) => (
            <input
              id={id}
              ref={from}
              inputMode="numeric"
              autocomplete="off"
              placeholder="1"
              aria-describedby={problem}
            />
          )}
        </Field>
        <Field label="To">
          {(id) => (
            <input
              id={id}
              ref={to}
              inputMode="numeric"
              autocomplete="off"
              placeholder="the newest"
              aria-describedby={problem}
            />
          )}
        </Field>
        <div class="actions">
          <button type="submit" class="primary" onClick={onlyOnce}>
            {phase === "running"
              ? "Pause"
              : phase === "paused" || phase === "failed"
                ? "Start again"
                : "Verify"}
          </button>
          {phase === "paused" || phase === "failed" ? (
            <button type="button" onClick={goOn}>
              Go on
            </button>
          ) : null}
          {head && phase !== "running" ? (
            <button
              type="button"
              onClick={() => order({ from: String(head.seq), to: "", trust: "" })}
            >
              Only from {whole(head.seq)} on
            </button>
          ) : null}
        </div>
      </div>
      <details open={!!params.trust}>
        <summary>Hold it against a hash that somebody noted</summary>
        <Field
          label="Notes"
          hint="A line each: a seq, a colon and the hash, as “Copy this head” gives it. The chain has to go through every one."
        >
          {(id) => (
            <textarea
              id={id}
              ref={trust}
              spellcheck={false}
              autocomplete="off"
              aria-describedby={problem}
            />
          )}
        </Field>
      </details>
      <p id={problem} class="wrong" role="alert">
        {visible(wrong)}
      </p>
    </form>
  );
}

/** One button starts and pauses, and a double click must not do both. */
function onlyOnce(event: MouseEvent): void {
  if (event.detail > 1) event.preventDefault();
}

/** What is wrong with what was given, in a sentence; "": nothing. */
function wrongWith(from = "", to = "", trust = ""): string {
  try {
    parseRange(from, to);
    parseNotes(trust, org.value);
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The same of the keys that are trusted and of the checkpoints that were kept. */
function wrongWithEvidence(): string {
  try {
    parseKeys(keys.value.keys, org.value);
    parseGiven(checkpoints.value, org.value);
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

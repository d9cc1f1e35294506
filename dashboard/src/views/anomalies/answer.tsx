/** Answering an alert: seen, not for a while, or a false alarm. */

import { useRef, useState } from "preact/hooks";
import {
  type Anomaly,
  type AnomalyStatus,
  acknowledge,
  callFalse,
  oneAnomaly,
  snooze,
} from "../../api/anomalies.ts";
import { ApiError } from "../../api/http.ts";
import { Field } from "../../ui/parts.tsx";
import { AskReason } from "../../ui/reason.tsx";
import { settled } from "../../ui/settle.ts";
import { oneLine } from "../../ui/text.ts";
import { ago, full } from "../../ui/time.ts";
import { localText, MOST_MS, SPANS, snoozeOf } from "./snoozing.ts";

type Verb = "acknowledge" | "snooze" | "false";

const VERBS: Record<Verb, { button: string; status: AnomalyStatus; follows: string }> = {
  acknowledge: {
    button: "Acknowledge",
    status: "acknowledged",
    follows: "Others see that somebody has looked. Nothing else follows.",
  },
  snooze: {
    button: "Snooze",
    status: "snoozed",
    follows: "Until then nothing like it is told: of this kind, of this subject.",
  },
  false: {
    button: "False positive",
    status: "false_positive",
    follows:
      "As much as was seen is usual here from now on, and a fifth more. Of what a rule finds, nothing like it is told for a month.",
  },
};

/** What says more than what was said. */
const NEXT: Record<AnomalyStatus, Verb[]> = {
  open: ["acknowledge", "snooze", "false"],
  acknowledged: ["snooze", "false"],
  snoozed: ["snooze", "false"],
  false_positive: [],
};

/** The buttons; `done` is told in a sentence what was done. */
export function Answer(props: {
  anomaly: Anomaly;
  done: (said: string) => void;
  reload: () => void;
}) {
  const { id, status } = props.anomaly;
  const [asked, setAsked] = useState<Verb>();
  const form = useRef<HTMLFieldSetElement>(null);
  const send = (verb: Verb, reason: string) => {
    if (verb === "acknowledge") return acknowledge(id, reason);
    if (verb === "false") return callFalse(id, reason);
    const chosen = (name: string) =>
      form.current?.querySelector<HTMLInputElement>(
        `[name=${name}]${name === "for" ? ":checked" : ""}`,
      )?.value ?? "";
    return snooze(id, reason, snoozeOf(chosen("for"), chosen("until")));
  };
  const submit = async (verb: Verb, reason: string) => {
    try {
      const now = await settled(
        () => send(verb, reason),
        () => oneAnomaly(id),
        (found) => found.status === VERBS[verb].status && found.status_reason === reason,
      );
      props.done(
        (now.status_reason ?? "") === reason
          ? `It is ${words(now.status)}.`
          : `${already(now)} Your reason is not kept.`,
      );
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 409)) throw error;
      const now = await oneAnomaly(id);
      throw new ApiError(409, error.code, already(now), undefined, 0);
    } finally {
      props.reload();
    }
  };
  return (
    <>
      {NEXT[status].map((verb) => (
        <button
          key={verb}
          type="button"
          class={verb === "acknowledge" ? "primary" : ""}
          onClick={() => setAsked(verb)}
        >
          {status === "snoozed" && verb === "snooze" ? "Snooze anew" : VERBS[verb].button}
        </button>
      ))}
      {asked ? (
        <AskReason
          title={`${VERBS[asked].button}?`}
          button={VERBS[asked].button}
          submit={(reason) => submit(asked, reason)}
          close={() => setAsked(undefined)}
        >
          <p>{VERBS[asked].follows}</p>
          {asked === "snooze" ? <HowLong of={form} /> : null}
        </AskReason>
      ) : null}
    </>
  );
}

function HowLong(props: { of: { current: HTMLFieldSetElement | null } }) {
  const [chosen, setChosen] = useState<string>("hour");
  const now = Date.now();
  return (
    <fieldset class="how-long" ref={props.of}>
      <legend>For how long</legend>
      {[...SPANS, ["until", "Until …"] as const].map(([name, title]) => (
        <label key={name}>
          <input
            type="radio"
            name="for"
            value={name}
            checked={chosen === name}
            onChange={() => setChosen(name)}
          />
          {title}
        </label>
      ))}
      {chosen === "until" ? (
        <Field label="Until" hint="30 days from now at most.">
          {(id) => (
            <input
              id={id}
              name="until"
              type="datetime-local"
              min={localText(now + 60_000)}
              max={localText(now + MOST_MS)}
              required
            />
          )}
        </Field>
      ) : null}
    </fieldset>
  );
}

/** What was said before: by whom, when, and why. */
function already(now: Anomaly): string {
  const by = oneLine(now.status_by ?? "somebody", 100);
  const when = now.status_at ? `, ${ago(now.status_at, Date.now())}` : "";
  const until = now.until ? ` until ${full(now.until)}` : "";
  const why = now.status_reason ? `: “${oneLine(now.status_reason, 200)}”` : "";
  return `It is ${words(now.status)} already${until}. ${by} said so${when}${why}.`;
}

const words = (status: AnomalyStatus) =>
  status === "false_positive" ? "a false positive" : status;

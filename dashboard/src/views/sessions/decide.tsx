/** Suspending, resuming and completing a session. */

import { useState } from "preact/hooks";
import {
  DECISIONS,
  type Decided,
  type Decision,
  decideSession,
  oneSession,
  type Session,
} from "../../api/sessions.ts";
import { AskReason } from "../../ui/reason.tsx";
import { settled } from "../../ui/settle.ts";
import { oneLine } from "../../ui/text.ts";
import { ago } from "../../ui/time.ts";

const WORDS: Record<Decision, { button: string; danger: boolean; follows: string }> = {
  suspend: {
    button: "Suspend",
    danger: true,
    follows: "Within 5 seconds its calls are denied. What it still sends is recorded all the same.",
  },
  resume: { button: "Resume", danger: false, follows: "Its calls are decided as before." },
  complete: {
    button: "Complete",
    danger: false,
    follows: "It says that the session is over. Nothing is denied by it.",
  },
};

/** What may follow on each status. */
const NEXT: Record<Session["status"], Decision[]> = {
  active: ["suspend", "complete"],
  suspended: ["resume", "complete"],
  completed: ["resume", "suspend"],
};

/** The buttons; `done` is told in a sentence what was done. */
export function Decide(props: { session: Session; done: (said: string) => void }) {
  const { id, status } = props.session;
  const [asked, setAsked] = useState<Decision>();
  const submit = async (decision: Decision, reason: string) => {
    const wanted = DECISIONS[decision];
    const now = await settled(
      () => decideSession(id, decision, reason),
      (): Promise<Decided> => oneSession(id),
      (found) => found.status === wanted,
    );
    props.done(whatBecame(now, reason));
  };
  const words = asked && WORDS[asked];
  return (
    <>
      {NEXT[status].map((decision) => (
        <button
          key={decision}
          type="button"
          class={WORDS[decision].danger ? "danger" : ""}
          onClick={() => setAsked(decision)}
        >
          {WORDS[decision].button}
        </button>
      ))}
      {asked && words ? (
        <AskReason
          title={`${words.button} this session?`}
          button={words.button}
          danger={words.danger}
          submit={(reason) => submit(asked, reason)}
          close={() => setAsked(undefined)}
        >
          <p>{words.follows}</p>
        </AskReason>
      ) : null}
    </>
  );
}

/** Who was first is who is named: the same said again changes nothing. */
function whatBecame(now: Decided, reason: string): string {
  if ((now.status_reason ?? "") === reason) return `The session is ${now.status}.`;
  const by = oneLine(now.status_by ?? "somebody", 100);
  const when = now.status_at ? `, ${ago(now.status_at, Date.now())}` : "";
  return `It was ${now.status} already: ${by} said so${when}. Your reason is not kept.`;
}

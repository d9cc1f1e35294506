/** Retiring an agent, and bringing it back. */

import { useState } from "preact/hooks";
import { type Agent, bringBackAgent, oneAgent, retireAgent } from "../../api/agents.ts";
import { Ask } from "../../ui/parts.tsx";
import { AskReason } from "../../ui/reason.tsx";
import { settled } from "../../ui/settle.ts";
import { ago } from "../../ui/time.ts";

/** The button; `done` is told in a sentence what was done. */
export function Retire(props: { agent: Agent; done: (said: string) => void }) {
  const { id, status } = props.agent;
  const [asked, setAsked] = useState(false);
  const close = () => setAsked(false);
  const look = () => oneAgent(id);
  const retire = async (reason: string) => {
    const now = await settled(
      () => retireAgent(id, reason),
      look,
      (found) => found.status === "retired",
    );
    const others = (now.retired_reason ?? "") !== reason && now.retired_at;
    props.done(
      others
        ? `It was retired already, ${ago(others, Date.now())}. Your reason is not kept.`
        : "The agent is retired.",
    );
  };
  const bringBack = async () => {
    await settled(
      () => bringBackAgent(id),
      look,
      (found) => found.status !== "retired",
    );
    props.done("The agent is back.");
  };
  return (
    <>
      <button
        type="button"
        class={status === "retired" ? "" : "danger"}
        onClick={() => setAsked(true)}
      >
        {status === "retired" ? "Bring back" : "Retire"}
      </button>
      {!asked ? null : status === "retired" ? (
        <Ask title="Bring this agent back?" button="Bring back" submit={bringBack} close={close}>
          <p>Within 5 seconds its calls are decided as before.</p>
        </Ask>
      ) : (
        <AskReason title="Retire this agent?" button="Retire" danger submit={retire} close={close}>
          <p>
            Within 5 seconds all its calls are denied. Its keys work on, so that what it still does
            is recorded: revoke them with <code>tocsin keys revoke</code> to cut it off.
          </p>
        </AskReason>
      )}
    </>
  );
}

/** Answering: always in a dialog, so that no single click or key lets a call be made. */

import { useRef } from "preact/hooks";
import {
  type Approval,
  type Listed,
  listWaiting,
  MAX_REASON_CHARS,
  oneApproval,
  RUN_MINUTES,
  resolve,
  resolveSeveral,
} from "../../api/approvals.ts";
import { ApiError } from "../../api/http.ts";
import { Ask, Field, Text } from "../../ui/parts.tsx";
import { count, oneLine, pretty } from "../../ui/text.ts";
import { Countdown } from "./time.tsx";
import { outcome } from "./waiting.ts";

const LOST = "Tocsin's answer did not arrive";

/** Answer one. `done` is told what to say about it beyond what the approval itself shows. */
export function Decide(props: {
  approval: Approval;
  approved: boolean;
  done: (said: string) => void;
  close: () => void;
}) {
  const { approval, approved } = props;
  const reason = useRef<HTMLInputElement>(null);
  const persist = useRef<HTMLInputElement>(null);
  const ended = outcome(approval.id);
  const submit = async () => {
    const answer = {
      approved,
      reason: reason.current?.value.trim() ?? "",
      persist: persist.current?.checked ?? false,
    };
    props.done(await decided(approval.id, answer));
  };
  return (
    <Ask
      title={approved ? "Approve this call?" : "Deny this call?"}
      button={approved ? "Approve" : "Deny"}
      danger={!approved}
      submit={submit}
      close={props.close}
    >
      {ended ? (
        <p class="problem" role="status">
          It does not wait any more: {ended.status}
          {ended.by ? ` by ${oneLine(ended.by)}` : ""}.
        </p>
      ) : (
        <p>
          <Text>{oneLine(approval.agent)}</Text> would call{" "}
          <strong>
            <Text>{oneLine(approval.tool)}</Text>
          </strong>
          . Time left: <Countdown call={approval} />
        </p>
      )}
      <p class="code brief">
        <Text>{oneLine(brief(approval), 400)}</Text>
      </p>
      <Reason of={reason} />
      {approved ? (
        <label class="check">
          <input type="checkbox" ref={persist} /> Always: approve this very call of this agent from
          now on, without asking
        </label>
      ) : null}
    </Ask>
  );
}

/** What it was about, to be recognised: all of it stands behind the dialog. */
function brief({ command, path, input, message }: Approval): string {
  return [command, path, pretty(input)].filter(Boolean).join(" · ") || message;
}

/** Answer several of one run: those that are shown, all or none. */
export function DecideSeveral(props: {
  calls: readonly [Listed, ...Listed[]];
  approved: boolean;
  done: (said: string) => void;
  close: () => void;
}) {
  const { calls, approved } = props;
  const reason = useRef<HTMLInputElement>(null);
  const all = useRef<HTMLInputElement>(null);
  const title = `${approved ? "Approve" : "Deny"} ${count(calls.length, "call")} of one run?`;
  const submit = async () => {
    const answer = {
      approved,
      reason: reason.current?.value.trim() ?? "",
      whole: all.current?.checked ?? false,
    };
    props.done(await decidedSeveral(calls, answer));
  };
  return (
    <Ask
      title={title}
      button={`${approved ? "Approve" : "Deny"} all ${calls.length}`}
      danger={!approved}
      submit={submit}
      close={props.close}
    >
      <p>
        All of them, or none. Run <Text>{oneLine(calls[0].run_id)}</Text> of{" "}
        <Text>{oneLine(calls[0].agent)}</Text>:
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keyboard */}
      <ol class="bulk" tabIndex={0} aria-label="The calls">
        {calls.map((call) => (
          <li key={call.id}>
            <strong>
              <Text>{oneLine(call.tool, 80)}</Text>
            </strong>{" "}
            <Text>{oneLine(call.message)}</Text>
            {call.command ? (
              <span class="mono">
                <Text>{oneLine(call.command, 400)}</Text>
              </span>
            ) : null}
          </li>
        ))}
      </ol>
      <Reason of={reason} />
      {approved ? (
        <label class="check">
          <input type="checkbox" ref={all} /> Also whatever this run asks for in the next{" "}
          {RUN_MINUTES} minutes
        </label>
      ) : null}
    </Ask>
  );
}

function Reason(props: { of: { current: HTMLInputElement | null } }) {
  return (
    <Field label="Reason (optional)" hint="Kept with the approval, and in the ledger.">
      {(id) => <input id={id} ref={props.of} autocomplete="off" maxLength={MAX_REASON_CHARS} />}
    </Field>
  );
}

/** Resolve one; returns what to say if it is not simply done. Throws what can be tried again. */
async function decided(id: string, answer: Parameters<typeof resolve>[1]): Promise<string> {
  try {
    await resolve(id, answer);
    return "";
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 410) return `Yours did not count: ${error.message}.`;
    if (!error.uncertain) throw error;
    const { status } = await look(() => oneApproval(id));
    if (status !== "pending") return `${LOST}. What you see is how the call stands now.`;
    throw unknown("and the call still waits");
  }
}

async function decidedSeveral(
  calls: readonly [Listed, ...Listed[]],
  answer: Parameters<typeof resolveSeveral>[1],
): Promise<string> {
  try {
    await resolveSeveral(calls, answer);
    return `${count(calls.length, "call")} of the run ${answer.approved ? "approved" : "denied"}.`;
  } catch (error) {
    if (!(error instanceof ApiError && error.uncertain)) throw error;
    const waiting = new Set((await look(listWaiting)).map((each) => each.id));
    const left = calls.filter((each) => waiting.has(each.id)).length;
    if (left === 0) return `${LOST}. None of these calls waits any more.`;
    throw unknown(`and ${left} of the ${calls.length} calls still wait`);
  }
}

async function look<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch {
    throw unknown("and it can't be read whether yours counted");
  }
}

const unknown = (what: string) => new ApiError(0, "LOST", `${LOST}, ${what}.`, undefined, 0);

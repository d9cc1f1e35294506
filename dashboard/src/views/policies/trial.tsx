/** A dry run: what policies say of calls. Nothing is called, and nothing is kept. */

import { useState } from "preact/hooks";
import type { ApiError } from "../../api/http.ts";
import { DECISIONS, type Tested, testPolicies } from "../../api/policies.ts";
import { Details } from "../../ui/details.tsx";
import { asProblem } from "../../ui/load.ts";
import { Chip, Field, Problem, Text } from "../../ui/parts.tsx";
import { Table } from "../../ui/table.tsx";
import { count, oneLine } from "../../ui/text.ts";
import { callOf, callsOf, type Form, listText, NO_CALL } from "./calls.ts";

/** A result, or why there is none; `edited`: not of the policies in force. */
type Outcome =
  | { results: Tested[]; failed: number; edited: boolean }
  | { problem: ApiError }
  | { mistake: string };

export function Trial(props: { inForce: string }) {
  const [form, setForm] = useState(NO_CALL);
  const [list, setList] = useState<string>();
  const [text, setText] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<Outcome>();

  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setOutcome(await tried(list, form, text));
    setBusy(false);
  };
  const severally = () => {
    try {
      setList(list === undefined ? listText(form) : undefined);
      setOutcome(undefined);
    } catch (error) {
      setOutcome({ mistake: String(error instanceof Error ? error.message : error) });
    }
  };
  return (
    <form class="stack" onSubmit={(event) => void submit(event)}>
      {list === undefined ? (
        <OneCall form={form} change={setForm} />
      ) : (
        <Field label="Calls, as a JSON list" hint="200 at most; each may say what it expects.">
          {(id) => (
            <textarea
              id={id}
              value={list}
              spellcheck={false}
              onInput={(event) => setList(event.currentTarget.value)}
            />
          )}
        </Field>
      )}
      {text === undefined ? null : (
        <Field label="Policies, in Cedar" hint="In place of those in force, for this trial alone.">
          {(id) => (
            <textarea
              id={id}
              class="policies"
              value={text}
              spellcheck={false}
              onInput={(event) => setText(event.currentTarget.value)}
            />
          )}
        </Field>
      )}
      <div class="actions">
        <button type="submit" class="primary" disabled={busy}>
          {busy ? "Trying …" : "Try"}
        </button>
        <button type="button" onClick={severally}>
          {list === undefined ? "Several calls, as JSON" : "One call"}
        </button>
        <button
          type="button"
          onClick={() => setText(text === undefined ? props.inForce : undefined)}
        >
          {text === undefined ? "With edited policies" : "With those in force"}
        </button>
        <span class="soft">Nothing is called, and nothing is saved.</span>
      </div>
      <div aria-live="polite" class="stack">
        {outcome ? <Said of={outcome} /> : null}
      </div>
    </form>
  );
}

async function tried(
  list: string | undefined,
  form: Form,
  text: string | undefined,
): Promise<Outcome> {
  let calls: unknown[];
  try {
    calls = list === undefined ? [callOf(form)] : callsOf(list);
  } catch (error) {
    return { mistake: error instanceof Error ? error.message : String(error) };
  }
  try {
    return { ...(await testPolicies(calls, text)), edited: text !== undefined };
  } catch (error) {
    return { problem: asProblem(error) };
  }
}

function OneCall(props: { form: Form; change: (form: Form) => void }) {
  const { form, change } = props;
  const input = (name: keyof Form, label: string, more: { required?: boolean } = {}) => (
    <Field label={label}>
      {(id) => (
        <input
          id={id}
          value={form[name]}
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => change({ ...form, [name]: event.currentTarget.value })}
          {...more}
        />
      )}
    </Field>
  );
  return (
    <div class="call">
      {input("tool", "Tool", { required: true })}
      {input("agent", "Agent")}
      {input("command", "Command")}
      {input("path", "Path")}
      {input("params", "Other parameters, as JSON")}
      <Field label="Expected">
        {(id) => (
          <select
            id={id}
            value={form.expect}
            onChange={(event) => change({ ...form, expect: event.currentTarget.value })}
          >
            <option value="">anything</option>
            {DECISIONS.map((decision) => (
              <option key={decision} value={decision}>
                {decision}
              </option>
            ))}
          </select>
        )}
      </Field>
    </div>
  );
}

function Said(props: { of: Outcome }) {
  const { of } = props;
  if ("mistake" in of) {
    return (
      <div class="problem" role="alert">
        <p>{oneLine(of.mistake)}</p>
      </div>
    );
  }
  if ("problem" in of) {
    return (
      <>
        <Problem error={of.problem} />
        <Details of={of.problem} />
      </>
    );
  }
  return (
    <>
      <p>
        {count(of.results.length, "call")}
        {of.failed > 0 ? `, ${of.failed} not as expected` : ""}
        {of.edited ? ", by the edited policies" : ", by the policies in force"}.
      </p>
      <Table
        label="What is decided"
        rows={of.results}
        columns={[
          { name: "Tool", show: (each) => <Text>{oneLine(each.tool)}</Text> },
          { name: "Decision", show: (each) => <Chip of={each.decision} /> },
          { name: "Expected", show: (each) => <Expected of={each} /> },
          {
            name: "By",
            show: (each) =>
              each.matched_policies.length > 0 ? (
                <Text>{oneLine(each.matched_policies.join(", "))}</Text>
              ) : (
                <span class="soft">no policy</span>
              ),
          },
          { name: "What is said", show: (each) => <Text>{oneLine(each.message, 400)}</Text> },
        ]}
      />
    </>
  );
}

function Expected(props: { of: Tested }) {
  const { expect, ok } = props.of;
  if (expect === undefined) return <span class="soft">anything</span>;
  return ok ? <>as expected</> : <strong class="wrong">{expect}</strong>;
}

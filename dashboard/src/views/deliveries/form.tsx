/** Adding an endpoint, and changing one. */

import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { offsetMs } from "../../api/clock.ts";
import {
  createEndpoint,
  type Draft,
  type Endpoint,
  FORMATS,
  listEndpoints,
  ORDERS,
  oneEndpoint,
  updateEndpoint,
} from "../../api/endpoints.ts";
import { go, routeText } from "../../app/route.ts";
import { Ask, Field } from "../../ui/parts.tsx";
import { settled } from "../../ui/settle.ts";
import { showSecret } from "./secret.tsx";
import { newSecret, typesOf } from "./state.ts";

const ACTIONS = ["log", "allow", "watch", "ask", "deny", "alert"];
const SEVERITIES = ["info", "warning", "critical"];

export function Add(props: { close: () => void }) {
  const form = useRef<HTMLDivElement>(null);
  const [format, setFormat] = useState("tocsin");
  const submit = async () => {
    const secret = FORMATS[format]?.signed ? newSecret() : "";
    const draft = { ...draftOf(form.current, format), format, ...(secret ? { secret } : {}) };
    const had = new Set((await listEndpoints()).map((each) => each.id));
    const look = async () =>
      (await listEndpoints()).findLast((each) => !had.has(each.id) && each.url === draft.url);
    const made = await settled<Endpoint | undefined>(() => createEndpoint(draft), look, Boolean);
    if (!made) return;
    if (secret) showSecret(made.id, secret);
    go(routeText("deliveries", made.id));
  };
  return (
    <Ask title="Add an endpoint" button="Add" submit={submit} close={props.close}>
      <div class="stack" ref={form}>
        <Field label="Format">
          {(id) => (
            <select
              id={id}
              name="format"
              value={format}
              onChange={(event) => setFormat(event.currentTarget.value)}
            >
              {Object.entries(FORMATS).map(([name, { title }]) => (
                <option key={name} value={name}>
                  {title}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Fields format={format} />
        <Field label="Begin" hint="From then on; what is older than what is kept is not sent.">
          {(id) => (
            <select id={id} name="since">
              <option value="">with what comes next</option>
              <option value="3600">an hour ago</option>
              <option value="86400">a day ago</option>
              <option value="604800">a week ago</option>
            </select>
          )}
        </Field>
      </div>
    </Ask>
  );
}

/** Change one; its format stays. */
export function Edit(props: { of: Endpoint; done: (said: string) => void; close: () => void }) {
  const { of } = props;
  const form = useRef<HTMLDivElement>(null);
  const submit = async () => {
    const draft = draftOf(form.current, of.format);
    const { token: _, ...seen } = draft;
    const same = (found: Endpoint) =>
      Object.entries(seen).every(
        ([name, value]) => sorted(found[name as keyof Endpoint]) === sorted(value),
      );
    await settled(
      () => updateEndpoint(of.id, draft),
      () => oneEndpoint(of.id),
      same,
    );
    props.done("It is changed.");
  };
  return (
    <Ask title="Change this endpoint" button="Save" submit={submit} close={props.close}>
      <div class="stack" ref={form}>
        <Fields format={of.format} of={of} />
      </div>
    </Ask>
  );
}

const sorted = (value: unknown) => JSON.stringify(Array.isArray(value) ? [...value].sort() : value);

/** What can be set of any; `of` has what is set already. */
function Fields(props: { format: string; of?: Endpoint }) {
  const { format, of } = props;
  const { url = "", token, people } = FORMATS[format] ?? {};
  const example = /^[a-z0-9]+:/.test(url) ? url : `https://${url}`;
  const text = (
    name: string,
    label: string,
    was: string | null | undefined,
    more = {},
    hint = "",
  ) => (
    <Field label={label} hint={hint}>
      {(id) => (
        <input
          id={id}
          name={name}
          defaultValue={was ?? ""}
          autocomplete="off"
          spellcheck={false}
          {...more}
        />
      )}
    </Field>
  );
  return (
    <>
      {text("url", "URL", of?.url, { required: true, maxLength: 2_048, placeholder: example })}
      {token
        ? text(
            "token",
            token,
            "",
            { type: "password", required: !of },
            of ? "Left empty, it stays." : "",
          )
        : null}
      {text("description", "What it is for", of?.description, { maxLength: 256 })}
      <Field label="Order">
        {(id) => (
          <select id={id} name="order" defaultValue={of?.order ?? "relaxed"}>
            {Object.entries(ORDERS).map(([name, says]) => (
              <option key={name} value={name} selected={name === (of?.order ?? "relaxed")}>
                {name}: {says}
              </option>
            ))}
          </select>
        )}
      </Field>
      {text(
        "types",
        "Event types",
        of?.types?.join(", "),
        { placeholder: "every type" },
        "As in: approval.created, anomaly, tool_call",
      )}
      <details>
        <summary>More filters and choices</summary>
        <div class="stack more">
          <div class="pair">
            {text("agent_id", "Agent", of?.agent_id, { placeholder: "every agent" })}
            {text("tool_name", "Tool", of?.tool_name, { placeholder: "every tool" })}
            <Choose name="action" label="Action" was={of?.action} any="every action" of={ACTIONS} />
            <Choose
              name="severity"
              label="Anomalies from"
              was={of?.severity}
              any="every severity"
              of={SEVERITIES}
            />
          </div>
          <Check name="escalation" was={of?.escalation}>
            Escalate to it: it is sent the reminders of approvals that nobody answers
          </Check>
          {people ? (
            <Check name="links" was={of?.links}>
              Signed links: who reads what it is sent can answer approvals
            </Check>
          ) : null}
        </div>
      </details>
    </>
  );
}

function Choose(props: {
  name: string;
  label: string;
  was: string | null | undefined;
  any: string;
  of: string[];
}) {
  const { name, was } = props;
  const of = was && !props.of.includes(was) ? [...props.of, was] : props.of;
  return (
    <Field label={props.label}>
      {(id) => (
        <select id={id} name={name}>
          <option value="">{props.any}</option>
          {of.map((each) => (
            <option key={each} value={each} selected={each === was}>
              {each}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function Check(props: { name: string; was: boolean | undefined; children: ComponentChildren }) {
  return (
    <label class="check">
      <input type="checkbox" name={props.name} defaultChecked={props.was ?? false} />{" "}
      {props.children}
    </label>
  );
}

/** What a form says; a filter that is empty is none. */
function draftOf(form: HTMLElement | null, format: string): Omit<Draft, "format"> {
  const control = (name: string) =>
    form?.querySelector<HTMLInputElement>(`[name=${name}]`) ?? undefined;
  const text = (name: string) => control(name)?.value.trim() ?? "";
  const types = typesOf(text("types"));
  const links = control("links");
  const since = Number(text("since"));
  return {
    url: text("url"),
    order: text("order"),
    description: text("description"),
    types: types.length > 0 ? types : null,
    agent_id: text("agent_id") || null,
    tool_name: text("tool_name") || null,
    action: text("action") || null,
    severity: text("severity") || null,
    escalation: control("escalation")?.checked ?? false,
    ...(links ? { links: links.checked } : {}),
    ...(FORMATS[format]?.token && text("token") ? { token: text("token") } : {}),
    ...(since > 0
      ? { since: new Date(Date.now() + offsetMs() - since * 1_000).toISOString() }
      : {}),
  };
}

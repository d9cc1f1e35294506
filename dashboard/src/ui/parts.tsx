/** The small parts that every view is made of. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { ApiError } from "../api/http.ts";
import { Details } from "./details.tsx";
import { asProblem, type Loaded } from "./load.ts";
import { SHOWN_CHARS, visible, whole } from "./text.ts";
import { ago, full, now } from "./time.ts";

/** A view's heading, with what can be done in it. */
export function Heading(props: { title: string; children?: ComponentChildren }) {
  return (
    <header class="heading">
      <h1 tabIndex={-1}>{props.title}</h1>
      <div class="actions">{props.children}</div>
    </header>
  );
}

/** There is nothing: why, and what to do next. */
export function Empty(props: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <h2>{props.title}</h2>
      {props.children}
    </div>
  );
}

export function Loading(props: { what: string }) {
  return (
    <p class="loading" role="status">
      Reading {props.what} …
    </p>
  );
}

/** What went wrong, and what to do next. */
export function Problem(props: { error: ApiError; retry?: (() => void) | undefined }) {
  const { error, retry } = props;
  return (
    <div class="problem" role="alert">
      <p>
        <strong>{visible(error.message)}</strong> {nextStep(error)}
      </p>
      {retry ? (
        <button type="button" onClick={retry}>
          Try again
        </button>
      ) : null}
    </div>
  );
}

function nextStep(error: ApiError): string {
  if (error.status === 403) return "Your key does not allow it: sign in with one that does.";
  if (error.status === 0) return "Look at your connection, then try again.";
  if (error.status === 503 || error.status === 429) return "It passes by itself: try again soon.";
  return "";
}

/** What was read, once it is there; before and otherwise what to know instead. */
export function Shown<T>(props: {
  of: Loaded<T>;
  what: string;
  children: (value: T) => ComponentChildren;
}) {
  const { value, problem, loading, reload } = props.of;
  return (
    <>
      {problem ? <Problem error={problem} retry={reload} /> : null}
      {value !== undefined ? props.children(value) : loading ? <Loading what={props.what} /> : null}
    </>
  );
}

/** What an event contains: text, whatever it contains. */
export function Text(props: { children: string }) {
  return <bdi class="text">{visible(props.children)}</bdi>;
}

/** Long text: the beginning, and all of it when asked for. */
export function LongText(props: { children: string; label: string }) {
  const [all, setAll] = useState(false);
  const text = props.children;
  const cut = !all && text.length > SHOWN_CHARS;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard */}
      <section class="code" aria-label={props.label} tabIndex={0}>
        {visible(cut ? text.slice(0, SHOWN_CHARS) : text)}
      </section>
      {cut ? (
        <button type="button" onClick={() => setAll(true)}>
          Show all {whole(text.length)} characters
        </button>
      ) : null}
    </>
  );
}

/** How long ago, with the whole time on hover. */
export function Ago(props: { at: string }) {
  return (
    <time dateTime={props.at} title={full(props.at)}>
      {ago(props.at, now.value)}
    </time>
  );
}

/** An action, a status or a severity, as a word in its colour. */
export function Chip(props: { of: string }) {
  return <span class={`chip is-${props.of.replace(/[^a-z]+/g, "-")}`}>{visible(props.of)}</span>;
}

export function Copy(props: { text: string; label: string }) {
  const [done, setDone] = useState(false);
  return (
    <button
      type="button"
      class="quiet"
      onClick={() => void navigator.clipboard.writeText(props.text).then(() => setDone(true))}
    >
      {done ? "Copied" : props.label}
    </button>
  );
}

/** Names and what they are. */
export function Facts(props: { of: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {props.of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A labelled control of a form. */
export function Field(props: {
  label: string;
  hint?: string;
  children: (id: string) => ComponentChildren;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      {props.children(id)}
      {props.hint ? <small>{props.hint}</small> : null}
    </div>
  );
}

/**
 * A modal dialog with a form: one reason to go on, and one not to.
 *
 * It stays open with the problem if `submit` fails.
 */
export function Ask(props: {
  title: string;
  button: string;
  danger?: boolean;
  submit: () => Promise<void>;
  close: () => void;
  children?: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiError>();
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  const submit = (event: Event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    props.submit().then(props.close, (error: unknown) => {
      setProblem(asProblem(error));
      setBusy(false);
    });
  };
  return (
    <dialog ref={dialog} aria-labelledby={title} onClose={props.close}>
      <form onSubmit={submit}>
        <h2 id={title}>{props.title}</h2>
        {props.children}
        {problem ? (
          <>
            <Problem error={problem} />
            <Details of={problem} />
          </>
        ) : null}
        <div class="actions">
          <button type="button" onClick={props.close}>
            Cancel
          </button>
          <button type="submit" class={props.danger ? "danger" : "primary"} disabled={busy}>
            {props.button}
          </button>
        </div>
      </form>
    </dialog>
  );
}

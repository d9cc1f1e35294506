/** What admins do with an endpoint: each asks once more, but for the test. */

import { useRef, useState } from "preact/hooks";
import {
  type Endpoint,
  FORMATS,
  oneEndpoint,
  type Part,
  pauseEndpoint,
  removeEndpoint,
  replayTo,
  resumeEndpoint,
  rotateSecret,
} from "../../api/endpoints.ts";
import { ApiError } from "../../api/http.ts";
import { go, routeText } from "../../app/route.ts";
import { Ask, Field, Text } from "../../ui/parts.tsx";
import { AskReason } from "../../ui/reason.tsx";
import { settled } from "../../ui/settle.ts";
import { count, oneLine, whole } from "../../ui/text.ts";
import { full } from "../../ui/time.ts";
import { Edit } from "./form.tsx";
import { showSecret } from "./secret.tsx";
import { nameOf, newSecret } from "./state.ts";

/** A dialog that is open; of a replay, what it begins with. */
export type Asking =
  | "pause"
  | "resume"
  | "edit"
  | "rotate"
  | "remove"
  | { from: number; to: number | undefined };

const OVERLAPS: [string, number][] = [
  ["for a day", 86_400],
  ["for an hour", 3_600],
  ["for a week", 604_800],
  ["no longer: it ends at once", 0],
];

export function Steer(props: { of: Endpoint; test: () => void; ask: (asking: Asking) => void }) {
  const { of, ask } = props;
  const paused = of.status === "paused";
  const button = (title: string, asking: Asking, kind = "") => (
    <button type="button" class={kind} onClick={() => ask(asking)}>
      {title}
    </button>
  );
  return (
    <>
      {paused ? (
        button("Resume …", "resume", "primary")
      ) : (
        <>
          <button type="button" onClick={props.test}>
            Send a test
          </button>
          {of.failing.length > 0 || of.held_until ? button("Try again now …", "resume") : null}
          {button("Pause …", "pause")}
        </>
      )}
      {button("Replay …", { from: 0, to: undefined })}
      {button("Change …", "edit")}
      {FORMATS[of.format]?.signed ? button("Rotate the secret …", "rotate") : null}
      {button("Remove …", "remove", "danger")}
    </>
  );
}

/** The dialog that is open; `done` is told in a sentence what was done. */
export function Asked(props: {
  of: Endpoint;
  asking: Asking;
  done: (said: string) => void;
  close: () => void;
}) {
  const { of, asking, done, close } = props;
  switch (asking) {
    case "pause":
      return <Pause of={of} done={done} close={close} />;
    case "resume":
      return <Resume of={of} done={done} close={close} />;
    case "edit":
      return <Edit of={of} done={done} close={close} />;
    case "rotate":
      return <Rotate of={of} done={done} close={close} />;
    case "remove":
      return <Remove of={of} close={close} />;
    default:
      return <Again of={of} {...asking} done={done} close={close} />;
  }
}

interface Props {
  of: Endpoint;
  done: (said: string) => void;
  close: () => void;
}

function Pause({ of, done, close }: Props) {
  const submit = async (reason: string) => {
    const now = await settled(
      () => pauseEndpoint(of.id, reason),
      () => oneEndpoint(of.id),
      (found) => found.status === "paused",
    );
    const mine = (now.reason ?? "") === reason;
    done(mine ? "It is paused." : "It was paused already. Your reason is not kept.");
  };
  return (
    <AskReason title="Pause deliveries?" button="Pause" submit={submit} close={close}>
      <p>
        <Name of={of} /> is sent nothing until somebody resumes it. What it misses waits in the
        ledger.
      </p>
    </AskReason>
  );
}

function Resume({ of, done, close }: Props) {
  const skip = useRef<HTMLInputElement>(null);
  const paused = of.status === "paused";
  const submit = async () => {
    const left = skip.current?.checked ?? false;
    await settled(
      () => resumeEndpoint(of.id, left),
      () => oneEndpoint(of.id),
      (found) => found.status === "active" && found.changed_at !== of.changed_at,
    );
    const what = left ? "What it missed is left out." : "What it missed is sent.";
    done(paused ? `It is resumed. ${what}` : what);
  };
  return (
    <Ask
      title={paused ? "Resume deliveries?" : "Try again now?"}
      button={paused ? "Resume" : "Try again"}
      submit={submit}
      close={close}
    >
      <p>
        <Name of={of} /> is sent at once what it missed, as far as that is kept.
      </p>
      <label class="check">
        <input type="checkbox" ref={skip} /> Leave out what was missed: it is sent only what comes
        from now on
      </label>
    </Ask>
  );
}

function Again({ of, from, to, done, close }: Props & { from: number; to: number | undefined }) {
  const form = useRef<HTMLDivElement>(null);
  const [by, setBy] = useState("seq");
  const text = (name: string) =>
    form.current?.querySelector<HTMLInputElement>(`[name=${name}]`)?.value ?? "";
  const submit = async () => {
    const until = Number(text("to"));
    const part: Part =
      by === "seq"
        ? { from_seq: Number(text("from")), ...(until ? { to_seq: until } : {}) }
        : { since: new Date(text("since")).toISOString() };
    const had = new Set(of.replays.map((each) => each.id));
    const now = await settled<Awaited<ReturnType<typeof replayTo>>>(
      () => replayTo(of.id, part),
      () => oneEndpoint(of.id),
      (found) => found.replays.some((each) => !had.has(each.id)),
    );
    const replay = now.replay ?? now.replays.find((each) => !had.has(each.id));
    const gone = now.expired_through_seq;
    done(
      `Sent once more: seq ${whole(replay?.next_seq ?? 0)} to ${whole(replay?.to_seq ?? 0)}.${
        gone ? ` What is up to ${whole(gone)} is not kept any more.` : ""
      }`,
    );
  };
  return (
    <Ask title="Send events once more?" button="Replay" submit={submit} close={close}>
      <p>
        <Name of={of} /> is sent what its filters let through. It knows what it has by the{" "}
        <code>webhook-id</code>, which stays the same.
      </p>
      <div class="stack" ref={form}>
        <Field label="Which">
          {(id) => (
            <select id={id} value={by} onChange={(event) => setBy(event.currentTarget.value)}>
              <option value="seq">from one seq to another</option>
              <option value="since">since a time</option>
            </select>
          )}
        </Field>
        {by === "seq" ? (
          <div class="pair">
            <Seq name="from" label="From seq" was={from} required />
            <Seq name="to" label="To seq" was={to} hint="The newest, if it is left out." />
          </div>
        ) : (
          <Field label="Since">
            {(id) => <input id={id} name="since" type="datetime-local" step={1} required />}
          </Field>
        )}
      </div>
    </Ask>
  );
}

function Seq(props: {
  name: string;
  label: string;
  was: number | undefined;
  required?: boolean;
  hint?: string;
}) {
  return (
    <Field label={props.label} hint={props.hint ?? ""}>
      {(id) => (
        <input
          id={id}
          name={props.name}
          type="number"
          min={1}
          max={Number.MAX_SAFE_INTEGER}
          required={props.required ?? false}
          defaultValue={String(props.was || "")}
        />
      )}
    </Field>
  );
}

function Rotate({ of, done, close }: Props) {
  const overlap = useRef<HTMLSelectElement>(null);
  const submit = async () => {
    const seconds = Number(overlap.current?.value);
    const secret = newSecret();
    const before = new Set((await oneEndpoint(of.id)).public_keys);
    const now = await settled(
      () => rotateSecret(of.id, secret, seconds),
      () => oneEndpoint(of.id),
      (found) => found.public_keys.some((each) => !before.has(each)),
    );
    const ends = new Date(Date.parse(now.changed_at) + seconds * 1_000).toISOString();
    const said = seconds > 0 ? `The one before it signs, too, until ${full(ends)}.` : "";
    showSecret(of.id, secret, said || "The one before it signs no longer.");
    done("It has a new secret.");
  };
  return (
    <Ask title="Make a new secret?" button="Rotate" danger submit={submit} close={close}>
      <p>
        From now on <Name of={of} /> is sent signatures by a new secret. One that was rotated out
        before ends at once.
      </p>
      <Field label="The secret of now signs, too,">
        {(id) => (
          <select id={id} ref={overlap}>
            {OVERLAPS.map(([title, seconds]) => (
              <option key={seconds} value={seconds}>
                {title}
              </option>
            ))}
          </select>
        )}
      </Field>
    </Ask>
  );
}

function Remove({ of, close }: { of: Endpoint; close: () => void }) {
  const submit = async () => {
    try {
      await removeEndpoint(of.id);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status !== 404 && !(error.uncertain && (await isGone(of.id)))) throw error;
    }
    go(routeText("deliveries"), { replace: true });
  };
  const waits = of.failing.length;
  return (
    <Ask title="Remove this endpoint?" button="Remove" danger submit={submit} close={close}>
      <p>
        <Name of={of} /> is sent nothing any more
        {waits > 0 ? `, nor what waits (${count(waits, "delivery", "deliveries")})` : ""}. Its
        secret, its place in the ledger and its list of attempts are gone for good; to stop for a
        while, pause it.
      </p>
      <p class="code">
        <Text>{oneLine(of.url, 400)}</Text>
      </p>
    </Ask>
  );
}

async function isGone(id: string): Promise<boolean> {
  try {
    await oneEndpoint(id);
    return false;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return true;
    throw error;
  }
}

function Name(props: { of: Endpoint }) {
  return (
    <strong>
      <Text>{oneLine(nameOf(props.of), 120)}</Text>
    </strong>
  );
}

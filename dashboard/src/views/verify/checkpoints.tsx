/** The log's last checkpoint, whom the viewer trusts for it, and what they kept of earlier ones. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { lastCheckpoint, logKeys } from "../../api/evidence.ts";
import { org } from "../../app/session.ts";
import { asProblem, useLoaded } from "../../ui/load.ts";
import { Facts, Field, Shown, Text } from "../../ui/parts.tsx";
import { visible, whole } from "../../ui/text.ts";
import {
  judge,
  MAX_GIVEN_CHARS,
  type Point,
  parseGiven,
  rootText,
} from "../../verify/checkpoints.ts";
import { run } from "../../verify/run.ts";
import { given, trust, trustedKeys, trustKeys } from "../../verify/trust.ts";
import { parseKeys, Verifier } from "../../verify/verifiers.ts";
import { Signed } from "./signed.tsx";

export function Checkpoints() {
  // There may be a later one whenever a run has ended.
  const ended = useRef("");
  ended.current = run.value?.at || ended.current;
  const last = useLoaded(lastCheckpoint, [org.value, ended.current]);
  return (
    <section class="panel checkpoints" aria-label="Signed checkpoints">
      <h2>The last checkpoint</h2>
      <Shown of={last} what="the last checkpoint" children={() => null} />
      {last.value ? (
        <Last note={last.value} />
      ) : last.loading || last.problem ? null : (
        <p>There is none yet: one is made within a minute of a new event.</p>
      )}
      <Keys />
      <Kept />
    </section>
  );
}

function Last(props: { note: string }) {
  const [point, setPoint] = useState<Point>();
  useEffect(() => {
    let current = true;
    void judge(props.note, false, org.value, trustedKeys()).then((judged) => {
      if (current) setPoint(judged);
    });
    return () => {
      current = false;
    };
  }, [props.note, trust.value]);
  if (!point) return null;
  const rows: [string, ComponentChildren][] = point.root
    ? [
        ["Log", <Text key="">{point.origin}</Text>],
        ["Covers", `events 1 to ${whole(point.size)}`],
        ["Root", <code key="">{rootText(point.root)}</code>],
      ]
    : [];
  return <Facts of={[...rows, ["Signed", <Signed key="" point={point} />]]} />;
}

/** Whom the viewer trusts. */
function Keys() {
  const [wrong, setWrong] = useState("");
  const [offered, setOffered] = useState<string[]>();
  const problem = useId();
  const { keys, remembered } = trust.value;
  const take = (text: string, kept: boolean) => {
    trustKeys(text.trim(), kept);
    setWrong(wrongWith(() => parseKeys(text, org.value)));
  };
  const offer = () =>
    logKeys().then(
      (lines) => setOffered(withoutTimed(lines)),
      (error: unknown) => setWrong(asProblem(error).message),
    );
  useEffect(() => setOffered(undefined), [org.value]);
  return (
    <details open={keys !== ""}>
      <summary>The key that you trust</summary>
      <div class="stack">
        <Field
          label="Keys of the log"
          hint="A line each, name+id+base64. Have it from whoever runs Tocsin, by another way than this page."
        >
          {(id) => (
            <textarea
              id={id}
              value={keys}
              spellcheck={false}
              autocomplete="off"
              aria-describedby={problem}
              onChange={(event) => take(event.currentTarget.value, remembered)}
            />
          )}
        </Field>
        <p id={problem} class="wrong" role="alert">
          {visible(wrong)}
        </p>
        <label class="check">
          <input
            type="checkbox"
            checked={remembered}
            onChange={(event) => take(keys, event.currentTarget.checked)}
          />{" "}
          Remember it in this browser
        </label>
        {offered ? (
          <>
            <p>
              These signed the log, as Tocsin says itself.{" "}
              <strong>That alone proves nothing</strong>: whoever made the log anew would show you a
              key of theirs. Compare it with the one that you have from elsewhere.
            </p>
            <ul class="offered">
              {offered.map((line) => (
                <Offered key={line} line={line} take={(key) => take(key, remembered)} />
              ))}
            </ul>
          </>
        ) : (
          <div class="actions">
            <button type="button" class="quiet" onClick={() => void offer()}>
              Show the log's own keys
            </button>
          </div>
        )}
      </div>
    </details>
  );
}

/** Beside each key stands the same one for signatures with a time: it is found by itself. */
function withoutTimed(lines: readonly string[]): string[] {
  return lines.filter((line) => {
    const [key = ""] = line.split(" ");
    return wrongWith(() => Verifier.read(key)) !== "" || !Verifier.read(key).isTimed;
  });
}

/** A key that the log names, if it is one that this page can verify with. */
function Offered(props: { line: string; take: (key: string) => void }) {
  const [key = "", ...when] = props.line.split(" ");
  const wrong = wrongWith(() => parseKeys(key, org.value));
  return (
    <li>
      <code>
        <Text>{key}</Text>
      </code>{" "}
      <Text>{when.join(" ")}</Text>{" "}
      {wrong ? (
        <span class="soft">{visible(wrong)}</span>
      ) : (
        <button type="button" class="quiet" onClick={() => props.take(key)}>
          Trust this one
        </button>
      )}
    </li>
  );
}

/** What the viewer kept of earlier ones: pasted, dropped or opened. */
function Kept() {
  const [wrong, setWrong] = useState("");
  const file = useRef<HTMLInputElement>(null);
  const problem = useId();
  const files = useId();
  const take = (text: string) => {
    given.value = text;
    setWrong(wrongWith(() => parseGiven(text, org.value)));
  };
  const read = async (list: FileList | undefined | null) => {
    const all = [...(list ?? [])];
    if (all.reduce((sum, { size }) => sum + size, 0) > MAX_GIVEN_CHARS) {
      setWrong(`Give ${MAX_GIVEN_CHARS / 1024} KB of checkpoints at most.`);
      return;
    }
    const texts = await Promise.all(all.map((each) => each.text()));
    take([given.value, ...texts].filter(Boolean).join("\n"));
  };
  return (
    <details open={given.value !== ""}>
      <summary>Checkpoints that you kept</summary>
      <div class="stack">
        <Field
          label="Kept checkpoints"
          hint="Whole, one after another. Files can be dropped here. The ledger has to go through every one."
        >
          {(id) => (
            <textarea
              id={id}
              value={given.value}
              spellcheck={false}
              autocomplete="off"
              aria-describedby={problem}
              onChange={(event) => take(event.currentTarget.value)}
              onDragOver={(event) => event.preventDefault()}
              onDrop={(event) => {
                if (!event.dataTransfer?.files.length) return;
                event.preventDefault();
                void read(event.dataTransfer.files);
              }}
            />
          )}
        </Field>
        <div class="field">
          <label for={files}>Or open files</label>
          <input
            id={files}
            ref={file}
            type="file"
            multiple
            onChange={() => void read(file.current?.files)}
          />
        </div>
        <p id={problem} class="wrong" role="alert">
          {visible(wrong)}
        </p>
      </div>
    </details>
  );
}

/** What is wrong with what was given, in a sentence; "": nothing. */
function wrongWith(read: () => unknown): string {
  try {
    read();
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

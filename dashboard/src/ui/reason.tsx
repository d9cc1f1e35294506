/** Deciding something, with a reason that is kept. */

import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { Ask, Field, Text } from "./parts.tsx";

/** The longest reason that is taken. */
const MAX_CHARS = 2_000;

export function AskReason(props: {
  title: string;
  button: string;
  danger?: boolean;
  submit: (reason: string) => Promise<void>;
  close: () => void;
  children?: ComponentChildren;
}) {
  const reason = useRef<HTMLInputElement>(null);
  return (
    <Ask
      title={props.title}
      button={props.button}
      danger={props.danger ?? false}
      submit={() => props.submit(reason.current?.value.trim() ?? "")}
      close={props.close}
    >
      {props.children}
      <Field label="Reason" hint="Others see it, with who you are; it stays in the ledger.">
        {(id) => <input id={id} ref={reason} maxLength={MAX_CHARS} autocomplete="off" />}
      </Field>
    </Ask>
  );
}

/** Who decided something, when and why. */
export function Said(props: { by: string; at: ComponentChildren; reason: string | undefined }) {
  return (
    <>
      by <Text>{props.by}</Text> {props.at}
      {props.reason ? (
        <>
          :{" "}
          <q>
            <Text>{props.reason}</Text>
          </q>
        </>
      ) : null}
    </>
  );
}

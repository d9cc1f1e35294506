/** Signing in: a key for a cookie. */

import { useRef, useState } from "preact/hooks";
import type { ApiError } from "../api/http.ts";
import { asProblem } from "../ui/load.ts";
import { Field, Problem } from "../ui/parts.tsx";
import { reason, signIn } from "./session.ts";

export function SignIn() {
  const key = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiError>();
  const submit = (event: Event) => {
    event.preventDefault();
    const input = key.current;
    if (!input || busy) return;
    setBusy(true);
    setProblem(undefined);
    signIn(input.value)
      .catch((error: unknown) => setProblem(asProblem(error)))
      .finally(() => {
        input.value = "";
        setBusy(false);
      });
  };
  return (
    <main class="sign-in">
      <h1>Tocsin</h1>
      <p>What your AI agents do, as it happens.</p>
      {reason.value ? <p role="status">{reason.value}</p> : null}
      <form onSubmit={submit}>
        <Field
          label="API key"
          hint="It is exchanged for a cookie that scripts can't read, and kept nowhere."
        >
          {(id) => (
            <input
              id={id}
              ref={key}
              type="password"
              autocomplete="off"
              spellcheck={false}
              required
            />
          )}
        </Field>
        <button type="submit" class="primary" disabled={busy}>
          Sign in
        </button>
      </form>
      {problem ? <Problem error={problem} /> : null}
      <details>
        <summary>Where do I get a key?</summary>
        <p>
          <code>make up</code> prints one. Of a deployed Tocsin, whoever runs it makes one:
        </p>
        <pre class="code">
          tocsin keys create --org ORG --scope read --scope approve --person YOU
        </pre>
      </details>
    </main>
  );
}

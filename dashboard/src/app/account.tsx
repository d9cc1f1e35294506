/** Whose events are shown: the org, further orgs, signing out, and the page's colours. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "../api/http.ts";
import { asProblem } from "../ui/load.ts";
import { Ago, Ask, Field, Problem } from "../ui/parts.tsx";
import { org, signIn, signOut, switchTo, who } from "./session.ts";
import { setTheme, THEMES, theme } from "./theme.ts";

export function Account() {
  const details = useRef<HTMLDetailsElement>(null);
  const [adding, setAdding] = useState(false);
  const [leaving, setLeaving] = useState(false);
  const [problem, setProblem] = useState<ApiError>();
  const close = () => {
    if (details.current) details.current.open = false;
  };
  useEffect(() => {
    const outside = (event: Event) => {
      if (!details.current?.contains(event.target as Node)) close();
    };
    addEventListener("pointerdown", outside);
    return () => removeEventListener("pointerdown", outside);
  }, []);
  const attempt = (what: Promise<void>) => {
    setProblem(undefined);
    what.then(close, (error: unknown) => setProblem(asProblem(error)));
  };
  const me = who.value;
  if (!me) return null;
  return (
    <>
      <details
        class="account"
        ref={details}
        onKeyDown={(event) => {
          if (event.key === "Escape") close();
        }}
      >
        <summary>
          <span class="unseen">Organization </span>
          {org.value}
        </summary>
        <div class="menu-body">
          {problem ? <Problem error={problem} /> : null}
          <h2>Organizations</h2>
          <ul>
            {me.orgs.map((each) => (
              <li key={each}>
                <button
                  type="button"
                  aria-pressed={each === me.org}
                  onClick={() => attempt(switchTo(each))}
                >
                  {each}
                </button>
              </li>
            ))}
          </ul>
          <button type="button" onClick={() => setAdding(true)}>
            Add an organization
          </button>
          <h2>Your key may</h2>
          <p>
            {me.scopes.join(", ")}
            {me.expires_at ? (
              <>
                {" · ends "}
                <Ago at={me.expires_at} />
              </>
            ) : null}
          </p>
          <fieldset class="choice">
            <legend>Colours</legend>
            {THEMES.map((each) => (
              <button
                key={each}
                type="button"
                aria-pressed={theme.value === each}
                onClick={() => setTheme(each)}
              >
                {each}
              </button>
            ))}
          </fieldset>
          <div class="actions">
            <button type="button" onClick={() => attempt(signOut(false))}>
              Sign out
            </button>
            <button type="button" class="danger" onClick={() => setLeaving(true)}>
              Sign out everywhere
            </button>
          </div>
        </div>
      </details>
      {adding ? <AddOrg close={() => setAdding(false)} /> : null}
      {leaving ? (
        <Ask
          title="Sign out everywhere?"
          button="Sign out everywhere"
          danger
          submit={() => signOut(true)}
          close={() => setLeaving(false)}
        >
          <p>
            Every browser that is signed in with the same key is signed out within a minute. The key
            itself goes on: revoke it with <code>tocsin keys revoke</code>.
          </p>
        </Ask>
      ) : null}
    </>
  );
}

function AddOrg(props: { close: () => void }) {
  const key = useRef<HTMLInputElement>(null);
  return (
    <Ask
      title="Add an organization"
      button="Add"
      submit={() => signIn(key.current?.value ?? "", true)}
      close={props.close}
    >
      <Field
        label="A key of that organization"
        hint="It is exchanged for a cookie and kept nowhere."
      >
        {(id) => <input id={id} ref={key} type="password" autocomplete="off" required />}
      </Field>
    </Ask>
  );
}

/** What is around every view: where one can go, whose events these are, how the stream is. */

import { useEffect, useRef, useState } from "preact/hooks";
import { log } from "../live/log.ts";
import { visible } from "../ui/text.ts";
import { Tampered } from "../views/verify/finding.tsx";
import { Account } from "./account.tsx";
import { route, routeText } from "./route.ts";
import { org } from "./session.ts";
import { VIEWS } from "./views.ts";

export function Shell() {
  const here = VIEWS.find((view) => view.name === route.value.view) ?? VIEWS[0];
  const [open, setOpen] = useState(false);
  const main = useRef<HTMLElement>(null);
  const name = here?.name ?? "";
  const waiting = VIEWS.reduce((sum, view) => sum + (view.badge?.() ?? 0), 0);
  const first = useRef(true);

  useEffect(() => {
    document.title = `${waiting > 0 ? `(${waiting}) ` : ""}${here?.title ?? ""} · Tocsin`;
  }, [waiting, here]);
  useEffect(() => {
    setOpen(false);
    // A screen reader and the keyboard begin where the new view does.
    if (!first.current) main.current?.querySelector<HTMLElement>("h1")?.focus();
    first.current = false;
  }, [name]);

  if (!here) return null;
  const Here = here.view;
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <header class="bar">
        <button
          type="button"
          class="menu"
          aria-expanded={open}
          aria-controls="views"
          onClick={() => setOpen(!open)}
        >
          Menu{waiting > 0 ? ` (${waiting})` : ""}
        </button>
        <a class="brand" href={routeText("feed")}>
          Tocsin
        </a>
        <Connection />
        <Account />
      </header>
      <nav id="views" class={open ? "views open" : "views"} aria-label="Views">
        {[...new Set(VIEWS.map((view) => view.group))].map((group) => (
          <section key={group}>
            <h2>{group}</h2>
            <ul>
              {VIEWS.filter((view) => view.group === group).map((view) => (
                <li key={view.name}>
                  <a href={routeText(view.name)} aria-current={view === here ? "page" : undefined}>
                    {view.title}
                    <Badge count={view.badge?.() ?? 0} />
                  </a>
                </li>
              ))}
            </ul>
          </section>
        ))}
      </nav>
      <main ref={main} tabIndex={-1} class={`view view-${name}`}>
        <Tampered />
        <Here key={org.value} />
      </main>
    </div>
  );
}

function Badge(props: { count: number }) {
  if (props.count === 0) return null;
  return (
    <span class="badge">
      {props.count}
      <span class="unseen"> waiting</span>
    </span>
  );
}

const STATES = {
  stopped: "Stopped",
  starting: "Connecting …",
  live: "Live",
  cut: "Reconnecting …",
  failed: "Not connected",
} as const;

/** How the stream is; what it costs to be cut off is said, and ended by a button. */
function Connection() {
  const state = log.state.value;
  const trouble = log.trouble.value;
  return (
    <div class={`connection is-${state}`}>
      <span role="status">
        <i aria-hidden="true" />
        {STATES[state]}
        {state === "live" ? null : <span class="why"> {visible(trouble)}</span>}
      </span>
      {state === "cut" || state === "failed" ? (
        <button type="button" class="quiet" onClick={() => log.retryNow()}>
          Try now
        </button>
      ) : null}
    </div>
  );
}

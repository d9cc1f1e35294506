/** Calls that wait for a person: the list, one of them, what is always approved, what was. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Listed } from "../../api/approvals.ts";
import { go, route, routeText } from "../../app/route.ts";
import { org } from "../../app/session.ts";
import { log } from "../../live/log.ts";
import { Empty, Heading, Loading, Problem } from "../../ui/parts.tsx";
import { count, whole } from "../../ui/text.ts";
import { One, type Wish } from "./detail.tsx";
import { History } from "./history.tsx";
import { isForView, KeysDialog } from "./keys.tsx";
import { Row } from "./list.tsx";
import { Notifying } from "./notifying.tsx";
import { nextRows, runOf, runsOf, stepFrom } from "./rows.ts";
import { Rules } from "./rules.tsx";
import { loaded, outcome, readWaiting, trouble, waiting, waitingCount } from "./waiting.ts";

const TABS = [
  ["", "Waiting"],
  ["rules", "Always approved"],
  ["history", "History"],
] as const;
const SHOWN_ROWS = 200;
const REREAD_MS = 30_000;

export function ApprovalsView() {
  const { id, params } = route.value;
  const tab = TABS.find(([name]) => name === params.tab)?.[0] ?? "";
  const [help, setHelp] = useState(false);
  const wish = useRef<((wish: Wish) => void) | null>(null);
  const list = useRef<HTMLDivElement>(null);
  const rows = useRows(list, id);

  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (!isForView(event)) return;
      const step = { j: 1, k: -1 }[event.key] as 1 | -1 | undefined;
      if (event.key === "?") setHelp(true);
      else if (event.key === "a" || event.key === "d") wish.current?.({ key: event.key });
      else if (step && tab === "") {
        const to = stepFrom(rows, (each) => !outcome(each), id, step);
        if (to) go(routeText("approvals", to), { replace: id !== "" });
      } else return;
      event.preventDefault(); // nor is it typed into what opens
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });
  useEffect(() => {
    // Without the stream the list is read now and then, while it is seen.
    const timer = setInterval(() => {
      if (log.state.value !== "live" && !document.hidden) void readWaiting();
    }, REREAD_MS);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => {
    list.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }, [id]);

  return (
    <>
      <Heading title="Approvals">
        <nav class="tabs" aria-label="Approvals">
          {TABS.map(([name, title]) => (
            <a
              key={name}
              href={routeText("approvals", "", { tab: name })}
              aria-current={name === tab ? "page" : undefined}
            >
              {title}
            </a>
          ))}
        </nav>
        <span class="unseen" role="status">
          {loaded.value ? `${count(waitingCount.value, "call")} waiting` : ""}
        </span>
        <Notifying />
        <button type="button" class="keys" aria-label="Keys" onClick={() => setHelp(true)}>
          ?
        </button>
      </Heading>
      {tab === "rules" ? (
        <Rules key={org.value} />
      ) : (
        <div class={id ? "approvals has-open" : "approvals"}>
          <div class="approvals-list" ref={list}>
            {tab === "history" ? (
              <History key={org.value} open={id} />
            ) : (
              <Waiting rows={rows} open={id} />
            )}
          </div>
          <div class="approvals-one">
            {id ? (
              <>
                <button
                  type="button"
                  class="quiet back"
                  onClick={() => go(routeText("approvals", "", { tab }))}
                >
                  All calls
                </button>
                <One id={id} wish={wish} />
              </>
            ) : (
              <p class="soft choose">Choose a call to see all of it.</p>
            )}
          </div>
        </div>
      )}
      {help ? <KeysDialog close={() => setHelp(false)} /> : null}
    </>
  );
}

function Waiting(props: { rows: readonly Listed[]; open: string }) {
  const [all, setAll] = useState(false);
  const { rows, open } = props;
  const runs = runsOf(waiting.value);
  const shown = all ? rows : rows.slice(0, SHOWN_ROWS);
  const problem = trouble.value;
  return (
    <>
      {problem ? <Problem error={problem} retry={() => void readWaiting()} /> : null}
      {rows.length > 0 ? (
        <ul class="calls">
          {shown.map((call) => (
            <Row
              key={call.id}
              call={call}
              open={call.id === open}
              mates={runs.get(runOf(call)) ?? 0}
            />
          ))}
        </ul>
      ) : loaded.value ? (
        <Empty title="Nothing waits for you">
          <p>
            A call that a policy wants a person for stands here as soon as an agent asks:{" "}
            <code>POST /v1/approvals</code>.
          </p>
        </Empty>
      ) : problem ? null : (
        <Loading what="what waits" />
      )}
      {shown.length < rows.length ? (
        <button type="button" onClick={() => setAll(true)}>
          Show all {whole(rows.length)}
        </button>
      ) : null}
    </>
  );
}

/** The rows as they stand: see {@link nextRows}. */
function useRows(list: { current: HTMLElement | null }, open: string): readonly Listed[] {
  const rows = useRef<{ org: string; all: readonly Listed[] }>({ org: "", all: [] });
  const before = rows.current.org === org.value ? rows.current.all : [];
  const near = list.current?.matches(":hover, :focus-within") ?? false;
  rows.current = {
    org: org.value,
    all: nextRows(before, waiting.value, (id) => id === open || (near && !!outcome(id))),
  };
  return rows.current.all;
}

/** One event, opened: as fields, as JSON, in its trace, and where it stands in the ledger. */

import { useState } from "preact/hooks";
import { fieldsOf, type LoggedEvent, listEvents, oneEvent } from "../../api/events.ts";
import { go, route, routeText } from "../../app/route.ts";
import { log } from "../../live/log.ts";
import { useLoaded } from "../../ui/load.ts";
import { Chip, Copy, Facts, LongText, Shown, Text } from "../../ui/parts.tsx";
import { pretty, whole } from "../../ui/text.ts";
import { full } from "../../ui/time.ts";
import { Proof } from "./proof.tsx";
import { Reports } from "./reports.tsx";
import { Trace } from "./tracing.tsx";

const TABS = ["Fields", "JSON", "Trace"] as const;
/** Fields that stand at the head, or are the ledger's. */
const APART = new Set(["seq", "id", "type", "action", "hash", "prev_hash", "lineage_hash"]);

/** What is at `/#/feed/<id>`; `close` goes back to the rows alone. */
export function EventPane(props: { id: string; held: LoggedEvent | undefined; close: () => void }) {
  const { id, held } = props;
  // A row of the feed may be from a stream; the API's own answer was checked when it was read.
  const loaded = useLoaded((signal) => oneEvent(id, signal), [id]);
  const event = loaded.value?.id === id ? loaded.value : held;
  return (
    <aside class="event-pane panel" aria-label="Event">
      <div class="actions">
        <button type="button" onClick={props.close}>
          Close
        </button>
        {event ? <Neighbours event={event} /> : null}
      </div>
      {event ? (
        <>
          {loaded.problem ? <Shown of={loaded} what="the event" children={() => null} /> : null}
          <Opened event={event} />
        </>
      ) : (
        <Shown of={loaded} what="the event" children={() => null} />
      )}
    </aside>
  );
}

function Opened(props: { event: LoggedEvent }) {
  const { event } = props;
  const [tab, setTab] = useState<(typeof TABS)[number]>("Fields");
  const fields = fieldsOf(event);
  const told = Object.fromEntries(Object.entries(fields).filter(([, value]) => isSaid(value)));
  return (
    <div class="stack">
      <h2>
        <Text>{event.tool || event.type}</Text> {event.action ? <Chip of={event.action} /> : null}
      </h2>
      <Facts
        of={[
          ["Type", <Text key="">{event.type}</Text>],
          ["Time", full(event.at)],
          ["Seq", whole(event.seq)],
          ["Id", <code key="">{event.id}</code>],
          ["Hash", <code key="">{String(told.hash ?? "")}</code>],
          ["Hash before", <code key="">{String(told.prev_hash ?? "")}</code>],
        ]}
      />
      {event.callKey ? <Reports of={event} /> : null}
      <div class="actions">
        <Copy text={location.href} label="Copy link" />
        <Copy text={pretty(told)} label="Copy JSON" />
        <a href={routeText("verify", "", { from: String(event.seq), to: String(event.seq) })}>
          Verify
        </a>
      </div>
      <Proof key={event.id} of={event} />
      <div class="tabs" role="tablist" aria-label="How the event is shown">
        {TABS.filter((each) => each !== "Trace" || event.trace).map((each) => (
          <button
            key={each}
            type="button"
            role="tab"
            aria-selected={each === tab}
            onClick={() => setTab(each)}
          >
            {each}
          </button>
        ))}
      </div>
      {tab === "JSON" ? (
        <LongText label="The event as JSON">{pretty(told)}</LongText>
      ) : tab === "Trace" && event.trace ? (
        <Trace id={event.trace} here={event.id} />
      ) : (
        <FieldList fields={told} event={event} />
      )}
    </div>
  );
}

/** Lists have every documented field: those of which an event says nothing are not shown. */
function isSaid(value: unknown): boolean {
  return value !== null && (typeof value !== "object" || Object.keys(value).length > 0);
}

const LINKS: Record<string, string> = { session_id: "sessions", agent_id: "agents" };
const FILTERED: Record<string, string> = {
  agent_id: "agent",
  session_id: "session",
  server_id: "server",
  tool_name: "tool",
  action: "action",
  model: "model",
  trace_id: "trace",
  tool_call_id: "call",
};

function FieldList(props: { fields: Record<string, unknown>; event: LoggedEvent }) {
  const rows = Object.entries(props.fields).filter(([name]) => !APART.has(name));
  return (
    <Facts
      of={rows.map(([name, value]) => {
        const filter = FILTERED[name];
        const view = LINKS[name];
        if (typeof value !== "string") {
          if (typeof value !== "object") return [name, String(value)];
          return [
            name,
            <LongText key={name} label={name}>
              {pretty(value)}
            </LongText>,
          ];
        }
        return [
          name,
          <span key={name}>
            {value.length > 500 ? <LongText label={name}>{value}</LongText> : <Text>{value}</Text>}
            {filter ? (
              <>
                {" "}
                <a class="soft" href={routeText("feed", "", { [filter]: value })}>
                  only these
                </a>
              </>
            ) : null}
            {view ? (
              <>
                {" "}
                <a class="soft" href={routeText(view, value)}>
                  open
                </a>
              </>
            ) : null}
          </span>,
        ];
      })}
    />
  );
}

/** The way to the event before and the one after it, whatever is filtered. */
function Neighbours(props: { event: LoggedEvent }) {
  const { seq } = props.event;
  const [none, setNone] = useState("");
  const open = async (before: boolean) => {
    setNone("");
    const more = before ? { limit: 1, before: seq } : { limit: 1, before: seq + 2, after: seq };
    try {
      const found = (await listEvents({}, more)).events[0];
      if (found) go(routeText("feed", found.id, route.value.params));
      else setNone(before ? "This is the first that is kept." : "This is the last.");
    } catch (error) {
      setNone(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <>
      <button type="button" disabled={seq <= 1} onClick={() => void open(true)}>
        Seq before
      </button>
      <button type="button" disabled={seq >= log.head.value} onClick={() => void open(false)}>
        Seq after
      </button>
      <a href={routeText("feed", props.event.id, { around: String(seq) })}>Around it</a>
      <span role="status">{none}</span>
    </>
  );
}

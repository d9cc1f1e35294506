/** The live feed. */

import { useEffect, useMemo } from "preact/hooks";
import type { LoggedEvent } from "../../api/events.ts";
import { go, route, routeText, setParams } from "../../app/route.ts";
import { log } from "../../live/log.ts";
import { narrow } from "../../ui/narrow.ts";
import { Empty, Heading, Problem } from "../../ui/parts.tsx";
import { count, whole } from "../../ui/text.ts";
import { VirtualList } from "../../ui/virtual.tsx";
import { EventPane } from "./event.tsx";
import { Filters, filterOf } from "./filters.tsx";
import { Row } from "./row.tsx";
import { Rows } from "./rows.ts";

const ROW_PX = 34;
const NARROW_ROW_PX = 58;

export function FeedView() {
  const { id, params } = route.value;
  const rows = useMemo(() => new Rows(log), []);
  const around = Number(params.around) || undefined;
  const wanted = JSON.stringify([filterOf(params), params.q ?? "", around]);
  const state = log.state.value;
  const begun = state !== "starting" && state !== "stopped";

  useEffect(() => rows.start(), []);
  useEffect(() => {
    if (begun) rows.show({ filter: filterOf(params), search: params.q ?? "", around });
  }, [wanted, begun]);

  useEffect(() => {
    // Wherever the focus is: the button that had it may be gone.
    const closing = (event: KeyboardEvent) => {
      if (event.key === "Escape" && route.value.id && !document.querySelector("dialog")) close();
    };
    addEventListener("keydown", closing);
    return () => removeEventListener("keydown", closing);
  }, []);

  rows.revision.value; // what is drawn follows it
  const chosen = rows.indexOf(id);
  return (
    <div class={id ? "feed with-event" : "feed"}>
      <Heading title="Live feed">
        <Following rows={rows} around={around} />
      </Heading>
      <div class="feed-rows">
        <Filters />
        <Missed />
        {around === undefined ? null : (
          <p class="note" role="status">
            The ledger around seq {whole(around)}.{" "}
            <button type="button" class="quiet" onClick={() => setParams({ around: undefined })}>
              Back to what is live
            </button>
          </p>
        )}
        {rows.problem.value ? (
          <Problem error={rows.problem.value} retry={() => rows.loadOlder()} />
        ) : null}
        {rows.count > 0 ? (
          <VirtualList
            key={around}
            label="Events, the newest first"
            count={rows.count}
            rowHeight={narrow.value ? NARROW_ROW_PX : ROW_PX}
            keyOf={(index) => rows.at(index)?.shown.seq ?? index}
            row={(index) => {
              const call = rows.at(index);
              if (!call) return null;
              const marked = ({ seq }: LoggedEvent) => seq === around || isFirstMissed(seq);
              return <Row of={call} mark={call.reports.some(marked)} />;
            }}
            chosen={chosen}
            reveal={around === undefined ? -1 : rows.indexOfSeq(around)}
            choose={(index) => {
              const call = rows.at(index);
              rows.hold(); // who reads one does not want the others to run away
              if (call) go(routeText("feed", call.shown.id, params), { replace: id !== "" });
            }}
            scrolled={(top) => {
              if (top > ROW_PX) rows.hold();
            }}
            nearEnd={() => rows.loadOlder()}
          />
        ) : (
          <Nothing rows={rows} filtered={wanted !== '[{},"",null]'} begun={begun} />
        )}
        <Foot rows={rows} />
      </div>
      {id ? (
        <EventPane
          id={id}
          held={rows.at(chosen)?.reports.find((each) => each.id === id)}
          close={close}
        />
      ) : null}
    </div>
  );
}

/** Close the event that is open. */
function close(): void {
  go(routeText("feed", "", route.value.params));
}

function isFirstMissed(seq: number): boolean {
  const missed = log.missed.value;
  return missed !== null && seq === missed.after + 1;
}

/** Whether the feed follows what comes, and the way back if it does not. */
function Following(props: { rows: Rows; around: number | undefined }) {
  const { rows } = props;
  if (props.around !== undefined) return null;
  const follow = () => {
    document.querySelector(".feed-rows .virtual")?.scrollTo({ top: 0 });
    rows.follow();
  };
  if (!rows.held.value) {
    return (
      <button type="button" onClick={() => rows.hold()}>
        Pause
      </button>
    );
  }
  return (
    <button type="button" class="primary" onClick={follow}>
      Follow{rows.waiting.value > 0 ? ` (${count(rows.waiting.value, "new event")})` : ""}
    </button>
  );
}

/** What came while this page was not looking. */
function Missed() {
  const missed = log.missed.value;
  if (!missed) return null;
  return (
    <p class="note" role="status">
      {count(missed.until - missed.after, "event")} came while this page was not looking.{" "}
      <a href={routeText("feed", "", { around: String(missed.after + 1) })}>
        Go to the first of them
      </a>{" "}
      <button
        type="button"
        class="quiet"
        onClick={() => {
          log.missed.value = null;
        }}
      >
        Dismiss
      </button>
    </p>
  );
}

function Nothing(props: { rows: Rows; filtered: boolean; begun: boolean }) {
  const { rows } = props;
  if (!props.begun || rows.loading.value) {
    return (
      <p class="loading" role="status">
        Looking for events …
      </p>
    );
  }
  if (props.filtered) {
    return (
      <Empty title="No event is like this">
        <p>
          {rows.more.value
            ? `None down to seq ${whole(rows.lookedTo.value)}. Those that come are shown here.`
            : "Those that come are shown here, as soon as they are sealed."}
        </p>
      </Empty>
    );
  }
  return (
    <Empty title="Nothing has happened yet">
      <p>Send an event, and it is here at once:</p>
      <pre class="code">tocsin send --tool search --action allow</pre>
    </Empty>
  );
}

function Foot(props: { rows: Rows }) {
  const { rows } = props;
  rows.revision.value; // what is counted is no signal
  return (
    <p class="foot soft">
      {count(rows.events, "event")} shown
      {rows.count < rows.events ? ` in ${count(rows.count, "row")}` : ""}
      {rows.loading.value ? " · reading older ones …" : ""}
      {rows.more.value && !rows.loading.value ? (
        <button type="button" class="quiet" onClick={() => rows.loadOlder()}>
          Look further back
        </button>
      ) : null}
    </p>
  );
}

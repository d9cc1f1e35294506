/** One session: its figures, what was decided about it, and its events. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { oneSession, type Session } from "../../api/sessions.ts";
import { go, route, routeText, setParams } from "../../app/route.ts";
import { can } from "../../app/session.ts";
import { log } from "../../live/log.ts";
import { Figures, figuresOf } from "../../ui/figures.tsx";
import { useLive } from "../../ui/live.ts";
import { useLoaded } from "../../ui/load.ts";
import type { Moment, Outcome } from "../../ui/moment.ts";
import { MomentRow } from "../../ui/moments.tsx";
import { Back } from "../../ui/name.tsx";
import { narrow } from "../../ui/narrow.ts";
import { Ago, Chip, Empty, Heading, Loading, Problem, Shown } from "../../ui/parts.tsx";
import { Said } from "../../ui/reason.tsx";
import { oneLine, whole } from "../../ui/text.ts";
import { VirtualList } from "../../ui/virtual.tsx";
import { Decide } from "./decide.tsx";
import { StripChart } from "./strip.tsx";
import { Timeline } from "./timeline.ts";

const ROW_PX = 34;
const NARROW_ROW_PX = 58;

export function SessionPane(props: { id: string }) {
  const { id } = props;
  const loaded = useLoaded((signal) => oneSession(id, signal), [id]);
  const [note, setNote] = useState("");
  useLive((event) => event.session === id, loaded.reload, loaded.loading);
  const session = loaded.value;
  return (
    <div class="stack one">
      <Back view="sessions" title="Sessions" />
      <Heading title={oneLine(id, 200)}>
        {session && can("approve") ? (
          <Decide
            session={session}
            done={(said) => {
              setNote(said);
              loaded.reload();
            }}
          />
        ) : null}
      </Heading>
      <p class={note ? "became" : "unseen"} role="status">
        {note}
      </p>
      {loaded.problem?.status === 404 && !session ? (
        <Empty title="No such session was seen">
          <p>
            It is known once an event names it, within seconds. Is the id whole, and is it of this
            organization?
          </p>
        </Empty>
      ) : (
        <Shown of={loaded} what="the session">
          {(session) => (
            <>
              <Status of={session} />
              <Figures
                of={[
                  ...figuresOf(session),
                  [
                    "Last model",
                    session.last_model_used ? oneLine(session.last_model_used, 60) : "none",
                  ],
                ]}
              />
            </>
          )}
        </Shown>
      )}
      {session ? <Events id={id} total={session.events} /> : null}
    </div>
  );
}

function Status(props: { of: Session }) {
  const { of } = props;
  return (
    <p class="stands">
      <Chip of={of.status} />{" "}
      {of.status_by ? (
        <Said
          by={of.status_by}
          at={of.status_at ? <Ago at={of.status_at} /> : null}
          reason={of.status_reason}
        />
      ) : null}
      {of.status === "suspended" ? (
        <span class="soft"> · its calls are denied until somebody resumes it</span>
      ) : null}
    </p>
  );
}

const SHOWN: [string, string, Outcome | undefined][] = [
  ["", "All", undefined],
  ["denied", "Denied", "denied"],
  ["failed", "Failed", "failed"],
  ["anomalies", "Anomalies", "anomaly"],
];

function Events(props: { id: string; total: number }) {
  const timeline = useMemo(() => new Timeline(props.id, log), [props.id]);
  useEffect(() => timeline.start(), [timeline]);
  const revision = timeline.revision.value;
  const { params } = route.value;
  const only = SHOWN.find(([name]) => name === params.show)?.[2];
  const all = timeline.moments;
  const counts = useMemo(() => countsOf(all), [revision]);
  const rows = useMemo(
    () => (only ? all.filter((each) => each.outcome === only) : all),
    [revision, only],
  );
  const loading = timeline.loading.value;
  const more = timeline.more.value;
  const problem = timeline.problem.value;
  return (
    <section class="session-events" aria-label="Timeline">
      {all.length > 0 ? <StripChart moments={all} revision={revision} /> : null}
      <div class="actions">
        <fieldset class="choice">
          <legend class="unseen">Which events</legend>
          {SHOWN.map(([name, title, outcome]) => (
            <button
              key={name}
              type="button"
              class="quiet"
              aria-pressed={outcome === only}
              onClick={() => setParams({ show: name }, { replace: true })}
            >
              {title} {whole(outcome ? counts[outcome] : all.length)}
            </button>
          ))}
        </fieldset>
        <a href={routeText("feed", "", { session: props.id })}>Show it in the feed</a>
      </div>
      {problem ? <Problem error={problem} retry={() => void timeline.load()} /> : null}
      {rows.length > 0 ? (
        <VirtualList
          label="Events of the session, the newest first"
          count={rows.length}
          rowHeight={narrow.value ? NARROW_ROW_PX : ROW_PX}
          keyOf={(index) => rows[index]?.seq ?? index}
          row={(index) => {
            const moment = rows[index];
            return moment ? <MomentRow of={moment} /> : null;
          }}
          chosen={-1}
          choose={(index) => {
            const moment = rows[index];
            if (moment) go(routeText("feed", moment.id));
          }}
          nearEnd={() => {
            if (more && !only && !problem) void timeline.load();
          }}
        />
      ) : loading ? (
        <Loading what="its events" />
      ) : problem ? null : (
        <p class="soft">
          {all.length > 0 ? "None of these." : "Its events are not kept any more."}
        </p>
      )}
      <p class="show-more soft">
        {whole(timeline.read)} of {whole(Math.max(props.total, timeline.read))} events read
        {loading ? " · reading …" : ""}
        {more && !loading ? (
          <button type="button" class="quiet" onClick={() => void timeline.load()}>
            Read earlier ones
          </button>
        ) : null}
      </p>
    </section>
  );
}

function countsOf(moments: readonly Moment[]): Record<Outcome, number> {
  const counts = { ok: 0, denied: 0, failed: 0, anomaly: 0 };
  for (const each of moments) counts[each.outcome]++;
  return counts;
}

/** One alert: what was seen, against what; and what people said of it. */

import { useState } from "preact/hooks";
import { type Anomaly, oneAnomaly, REVIEWED, type Review, reviewsOf } from "../../api/anomalies.ts";
import { readDetection } from "../../api/detection.ts";
import { type LoggedEvent, oneEvent } from "../../api/events.ts";
import { ApiError } from "../../api/http.ts";
import { route, routeText } from "../../app/route.ts";
import { can } from "../../app/session.ts";
import { useLive } from "../../ui/live.ts";
import { useLoaded } from "../../ui/load.ts";
import { Ago, Chip, Empty, Facts, Heading, Shown, Text } from "../../ui/parts.tsx";
import { Said } from "../../ui/reason.tsx";
import { count } from "../../ui/text.ts";
import { full } from "../../ui/time.ts";
import { Answer } from "./answer.tsx";
import { Evidence } from "./evidence.tsx";
import { subjectOf, titleOf } from "./words.ts";

interface Whole {
  anomaly: Anomaly;
  /** Its event; null: it is not sealed yet, or not kept any more. */
  event: LoggedEvent | null;
  reviews: Review[];
}

async function whole(id: string, signal: AbortSignal): Promise<Whole> {
  const anomaly = await oneAnomaly(id, signal);
  const [event, reviews] = await Promise.all([
    orNothing(oneEvent(id, signal)),
    anomaly.status_by ? reviewsOf(anomaly, signal) : [],
  ]);
  return { anomaly, event, reviews };
}

async function orNothing<T>(read: Promise<T>): Promise<T | null> {
  try {
    return await read;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

export function AnomalyPane(props: { id: string }) {
  const { id } = props;
  const loaded = useLoaded((signal) => whole(id, signal), [id]);
  const kinds = useLoaded(readDetection, []);
  const [note, setNote] = useState("");
  useLive(
    (event) => event.id === id || (event.type === REVIEWED && event.text.includes(id)),
    loaded.reload,
    loaded.loading,
  );
  const anomaly = loaded.value?.anomaly;
  return (
    <div class="stack one">
      <nav class="way-back" aria-label="Back">
        <a href={routeText("anomalies", "", route.value.params)}>← Anomalies</a>
      </nav>
      <Heading title={anomaly ? titleOf(anomaly.kind) : "Anomaly"}>
        {anomaly && can("approve") ? (
          <Answer anomaly={anomaly} done={setNote} reload={loaded.reload} />
        ) : null}
      </Heading>
      <p class={note ? "became" : "unseen"} role="status">
        {note}
      </p>
      {loaded.problem?.status === 404 && !anomaly ? (
        <Empty title="There is no such anomaly">
          <p>Alerts are kept for 90 days. Is the id whole, and is it of this organization?</p>
        </Empty>
      ) : (
        <Shown of={loaded} what="the anomaly">
          {({ anomaly, event, reviews }) => (
            <>
              <p class="stands">
                <Chip of={anomaly.severity} /> <Text>{anomaly.description}</Text>{" "}
                <span class="soft">
                  {kinds.value?.known_kinds.find((each) => each.kind === anomaly.kind)?.says ?? ""}
                </span>
              </p>
              <div class="two">
                <section class="panel">
                  <h2>What was seen</h2>
                  <Evidence anomaly={anomaly} event={event} />
                </section>
                <section class="panel">
                  <h2>Whose</h2>
                  <Facts of={whose(anomaly, event)} />
                </section>
              </div>
              <section class="panel">
                <h2>What people said</h2>
                <Reviews anomaly={anomaly} reviews={reviews} />
              </section>
            </>
          )}
        </Shown>
      )}
    </div>
  );
}

function whose(anomaly: Anomaly, event: LoggedEvent | null): Parameters<typeof Facts>[0]["of"] {
  const agent = anomaly.subject.agent_id || event?.agent;
  const session = event?.session;
  return [
    ["Subject", <Text>{subjectOf(anomaly)}</Text>],
    [
      "Detected",
      <>
        <Ago at={anomaly.detected_at} /> <span class="soft">{full(anomaly.detected_at)}</span>
      </>,
    ],
    ["Stands for", count(anomaly.count, "finding")],
    [
      "Agent",
      agent ? (
        <a href={routeText("agents", agent)}>
          <Text>{agent}</Text>
        </a>
      ) : (
        "none"
      ),
    ],
    [
      "Session",
      session ? (
        <a href={routeText("sessions", session)}>
          <Text>{session}</Text>
        </a>
      ) : (
        "none"
      ),
    ],
    [
      "Event",
      event ? (
        <a href={routeText("feed", event.id)}>all of it, in the feed</a>
      ) : (
        "not sealed yet, or not kept any more"
      ),
    ],
  ];
}

function Reviews(props: { anomaly: Anomaly; reviews: readonly Review[] }) {
  const { anomaly } = props;
  if (!anomaly.status_by) return <p class="soft">Nobody has answered it yet.</p>;
  // What was said last is known at once; its event a moment later.
  const last: Review = {
    status: anomaly.status,
    by: anomaly.status_by,
    at: anomaly.status_at ?? "",
    reason: anomaly.status_reason ?? "",
    until: anomaly.until ?? null,
  };
  const before = props.reviews.filter((each) => each.at < last.at && !sameAs(each, last));
  return (
    <ul class="reviews">
      {[last, ...before].map((each) => (
        <li key={each.at + each.status}>
          <strong>{titleOf(each.status)}</strong>{" "}
          {each.until ? <span>until {full(each.until)} </span> : null}
          <Said by={each.by} at={<Ago at={each.at} />} reason={each.reason} />
        </li>
      ))}
    </ul>
  );
}

function sameAs(one: Review, other: Review): boolean {
  return (
    one.status === other.status &&
    one.by === other.by &&
    one.reason === other.reason &&
    one.until === other.until
  );
}

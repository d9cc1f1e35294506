/** Alerts, the newest first: those that wait for an answer, unless others are asked for. */

import {
  type Anomaly,
  type AnomalyFilter,
  listAnomalies,
  REVIEWED,
  STATUSES,
} from "../../api/anomalies.ts";
import { readDetection } from "../../api/detection.ts";
import { route, routeText, setParams } from "../../app/route.ts";
import { org } from "../../app/session.ts";
import { ShowMore } from "../../ui/figures.tsx";
import { useLive } from "../../ui/live.ts";
import { useLoaded } from "../../ui/load.ts";
import { usePages } from "../../ui/pages.ts";
import { Ago, Chip, Empty, Heading, Loading, Problem } from "../../ui/parts.tsx";
import { oneLine, whole } from "../../ui/text.ts";
import { subjectOf, titleOf } from "./words.ts";

const ALL = "all";

export function AnomalyList() {
  const { params } = route.value;
  const status = params.status || "open";
  const filter: AnomalyFilter = {
    status: status === ALL ? undefined : status,
    kind: params.kind || undefined,
    agent_id: params.agent || undefined,
  };
  const pages = usePages("anomalies", (asked, signal) => listAnomalies(filter, asked, signal), [
    org.value,
    status,
    params.kind ?? "",
    params.agent ?? "",
  ]);
  useLive(
    (event) => event.type === "anomaly" || event.type === REVIEWED,
    pages.reload,
    pages.loading,
  );
  return (
    <>
      <Heading title="Anomalies" />
      <Filters status={status} />
      {pages.problem ? <Problem error={pages.problem} retry={pages.reload} /> : null}
      {pages.items ? (
        <>
          {pages.items.length > 0 ? (
            <ul class="alerts">
              {pages.items.map((each) => (
                <li key={each.id}>
                  <Row of={each} />
                </li>
              ))}
            </ul>
          ) : (
            <Nothing status={status} filtered={Boolean(params.kind || params.agent)} />
          )}
          <ShowMore of={pages} what="anomalies" button="Look further back" />
        </>
      ) : pages.loading ? (
        <Loading what="anomalies" />
      ) : null}
    </>
  );
}

function Row(props: { of: Anomaly }) {
  const { of } = props;
  return (
    <a class={`alert is-${of.severity}`} href={routeText("anomalies", of.id, route.value.params)}>
      <span class="how">
        <Chip of={of.severity} />
      </span>
      <strong class="kind">
        {titleOf(of.kind)}
        {of.count > 1 ? <span class="soft"> ×{whole(of.count)}</span> : null}
      </strong>
      <bdi class="whose">{oneLine(subjectOf(of), 120)}</bdi>
      <bdi class="says">{oneLine(of.description, 200)}</bdi>
      <span class="status soft">
        {of.status === "open" ? "" : titleOf(of.status)}
        {of.status_by ? <bdi> · {oneLine(of.status_by, 60)}</bdi> : null}
      </span>
      <span class="when soft">
        <Ago at={of.detected_at} />
      </span>
    </a>
  );
}

function Filters(props: { status: string }) {
  const { params } = route.value;
  const kinds = useLoaded(readDetection, []);
  const known =
    kinds.value?.known_kinds.map((each) => each.kind) ?? (params.kind ? [params.kind] : []);
  return (
    <div class="alert-filters">
      <fieldset class="choice">
        <legend class="unseen">Status</legend>
        {[...STATUSES, ALL].map((each) => (
          <button
            key={each}
            type="button"
            class="quiet"
            aria-pressed={each === props.status}
            onClick={() => setParams({ status: each === "open" ? undefined : each })}
          >
            {titleOf(each)}
          </button>
        ))}
      </fieldset>
      <select
        aria-label="Kind"
        value={params.kind ?? ""}
        onChange={(event) => setParams({ kind: event.currentTarget.value })}
      >
        <option value="">Every kind</option>
        {known.map((each) => (
          <option key={each} value={each} selected={each === params.kind}>
            {titleOf(each)}
          </option>
        ))}
      </select>
      <input
        aria-label="Agent"
        placeholder="Every agent"
        value={params.agent ?? ""}
        autocomplete="off"
        spellcheck={false}
        onChange={(event) => setParams({ agent: event.currentTarget.value.trim() })}
      />
    </div>
  );
}

function Nothing(props: { status: string; filtered: boolean }) {
  if (props.filtered) {
    return (
      <Empty title="No anomaly is like this">
        <p>
          <button type="button" onClick={() => setParams({ kind: undefined, agent: undefined })}>
            Show every kind and agent
          </button>
        </p>
      </Empty>
    );
  }
  if (props.status !== "open" && props.status !== ALL) {
    return <Empty title={`None is ${titleOf(props.status).toLowerCase()}`} />;
  }
  return (
    <Empty title="Nothing waits for an answer">
      <p>What is unusual appears here by itself. To see one, have a spike sent:</p>
      <pre class="code">tocsin demo spike</pre>
    </Empty>
  );
}

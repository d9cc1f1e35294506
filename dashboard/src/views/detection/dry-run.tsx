/** A dry run: what detection would have told of the past. It writes nothing, and alerts nobody. */

import { useState } from "preact/hooks";
import { type Detection, dryRun, type Finding, type DryRun as Told } from "../../api/detection.ts";
import { route, setParams } from "../../app/route.ts";
import { org } from "../../app/session.ts";
import { useLoaded } from "../../ui/load.ts";
import { Chip, Empty, Field, Loading, Problem, Text } from "../../ui/parts.tsx";
import { Table } from "../../ui/table.tsx";
import { count, oneLine, whole } from "../../ui/text.ts";
import { clock, day, full } from "../../ui/time.ts";

/** Fewer events than this teach little. */
const FEW = 1_000;
const DAY_MS = 86_400_000;

export function DryRun(props: { now: Detection }) {
  const { params } = route.value;
  const [more, setMore] = useState(false);
  const [turn, setTurn] = useState(0);
  const { from, to, alerts, kinds } = params;
  const asked = from !== undefined;
  const told = useLoaded(
    async (signal) =>
      asked ? await dryRun({ from, to, false_alerts_per_day: alerts, kinds }, signal) : null,
    [org.value, from, to, alerts, kinds, turn],
  );
  const submit = (event: Event) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => String(given.get(name) ?? "");
    const chosen = given.getAll("kind").map(String);
    setParams({
      from: isoOf(text("from")) || new Date(Date.now() - DAY_MS).toISOString(),
      to: isoOf(text("to")),
      alerts: text("alerts"),
      kinds: chosen.length === 0 || sameAs(chosen, props.now.kinds) ? undefined : chosen.join(","),
    });
    setTurn((was) => was + 1);
  };
  const half = () => {
    const until = to ? Date.parse(to) : Date.now();
    setParams({ from: new Date((Date.parse(from ?? "") + until) / 2).toISOString() });
  };
  const on = kinds ? kinds.split(",") : props.now.kinds;
  return (
    <section class="panel stack" aria-labelledby="dry-run">
      <h2 id="dry-run">What would it have told?</h2>
      <form class="stack" onSubmit={submit}>
        <div class="asked">
          <Field label="From" hint="A day before, if it is left out.">
            {(id) => (
              <input
                id={id}
                name="from"
                type="datetime-local"
                step={1}
                defaultValue={localOf(from)}
              />
            )}
          </Field>
          <Field label="To" hint="Now, if it is left out.">
            {(id) => (
              <input id={id} name="to" type="datetime-local" step={1} defaultValue={localOf(to)} />
            )}
          </Field>
          <Field label="False alerts a day" hint="As it is set, if it is left out.">
            {(id) => (
              <input
                id={id}
                name="alerts"
                type="number"
                min={0}
                max={1000}
                step="any"
                placeholder={String(props.now.false_alerts_per_day)}
                defaultValue={alerts ?? ""}
              />
            )}
          </Field>
        </div>
        <details open={more} onToggle={(event) => setMore(event.currentTarget.open)}>
          <summary>Which kinds</summary>
          <div class="kinds">
            {props.now.known_kinds.map(({ kind, says }) => (
              <label key={kind} title={says}>
                <input
                  type="checkbox"
                  name="kind"
                  value={kind}
                  defaultChecked={on.includes(kind)}
                />{" "}
                {kind}
              </label>
            ))}
          </div>
        </details>
        <div class="actions">
          <button type="submit" class="primary" disabled={asked && told.loading}>
            {asked && told.loading ? "Looking …" : "Look"}
          </button>
          <span class="soft">It writes nothing, and alerts nobody.</span>
        </div>
      </form>
      {asked && told.loading ? <Loading what="the events of that time" /> : null}
      {told.problem && !told.loading ? (
        <>
          <Problem error={told.problem} retry={told.reload} />
          {told.problem.status === 422 ? (
            <button type="button" class="half" onClick={half}>
              Look at the later half of that time
            </button>
          ) : null}
        </>
      ) : null}
      {told.value && !told.loading && !told.problem ? <Findings of={told.value} /> : null}
    </section>
  );
}

function Findings(props: { of: Told }) {
  const { anomalies, total, looked_at, trained_on } = props.of;
  return (
    <>
      <p role="status">
        <strong>{total === 0 ? "Nothing" : count(total, "alert")}</strong> in{" "}
        {count(looked_at, "event")}, after learning from {whole(trained_on)} before them.{" "}
        {trained_on < FEW
          ? "That is little to learn from: much looks new. A later time tells more."
          : ""}{" "}
        {anomalies.length < total ? `The first ${whole(anomalies.length)} are here.` : ""}
      </p>
      {total === 0 ? (
        <Empty title="Nothing unusual">
          <p>Look at more time, or allow more false alerts a day.</p>
        </Empty>
      ) : (
        <>
          <p class="by-kind">
            {byKind(anomalies).map(([kind, number]) => (
              <span key={kind}>
                <code>{kind}</code> {whole(number)}
              </span>
            ))}
          </p>
          <Table
            label="What would have been told"
            rows={anomalies}
            columns={[
              {
                name: "Time",
                show: ({ data }) => (
                  <time dateTime={data.detectedAt} title={full(data.detectedAt)}>
                    {day(data.detectedAt)} {clock(data.detectedAt).slice(0, 8)}
                  </time>
                ),
                by: ({ data }) => data.detectedAt,
              },
              { name: "Severity", show: ({ data }) => <Chip of={data.severity} /> },
              {
                name: "Kind",
                show: ({ data }) => <code>{data.type}</code>,
                by: ({ data }) => data.type,
              },
              { name: "Of", show: (each) => <Text>{subjectText(each)}</Text>, by: subjectText },
              { name: "Why", show: ({ data }) => <Text>{oneLine(data.description, 400)}</Text> },
              { name: "Stands for", show: ({ data }) => whole(data.count), number: true },
            ]}
          />
        </>
      )}
    </>
  );
}

function sameAs(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((each) => others.includes(each));
}

function byKind(anomalies: readonly Finding[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const { data } of anomalies) counts.set(data.type, (counts.get(data.type) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

function subjectText({ data }: Finding): string {
  const { kind, ...names } = data.subject;
  return oneLine([kind, ...Object.values(names)].join(" "));
}

/** What a control for local times has, as ISO; undefined: nothing, or no time. */
function isoOf(local: string): string | undefined {
  const at = new Date(local);
  return local === "" || Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

/** The other way round. */
function localOf(iso: string | undefined): string {
  const at = new Date(iso ?? "");
  if (Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

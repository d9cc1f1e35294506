/** Events a minute, with what was unusual marked where it was. */

import { useEffect, useMemo, useRef } from "preact/hooks";
import { routeText } from "../../app/route.ts";
import { type Group, places, type Row } from "../../live/counts.ts";
import { type Mark, rates } from "../../live/rates.ts";
import { Chart, COLOURS, type Flag } from "../../ui/chart.tsx";
import { Choice, chosen } from "../../ui/choice.tsx";
import { Chip, Empty, Loading, Problem, Text } from "../../ui/parts.tsx";
import { type Column, Table } from "../../ui/table.tsx";
import { count, oneLine, whole } from "../../ui/text.ts";
import { clock, minuteText, now } from "../../ui/time.ts";

const BY = { tool: "By tool", action: "By action" } as const;
const LAST = { "1h": "1 hour", "15min": "15 min", "6h": "6 hours" } as const;
const MINUTES = { "1h": 60, "15min": 15, "6h": 360 } as const;
const WORST = ["critical", "warning", "info"];
/** Decisions get the same colours each time: allow, deny, ask, watch. */
const FIRST: Record<Group, string[]> = { tool: [], action: ["allow", "deny", "ask", "watch"] };

export function Events() {
  const by = chosen("by", ["tool", "action"]);
  const minutes = MINUTES[chosen("last", ["1h", "15min", "6h"])];
  useEffect(() => {
    rates.show(minutes);
    return () => rates.hide();
  }, [minutes]);

  const newest = Math.max(Math.floor(now.value / 60_000), rates.counts.newest);
  const from = newest - minutes + 1;
  const known = rates.knownFromMs;
  const first = Math.max(from, Math.floor(Math.min(known, now.value) / 60_000));
  const counted = useCounted(by, first, newest);
  const marks = rates.marks.filter((mark) => mark.minute >= from && mark.minute <= newest);
  const slots = useRef({ by, places: FIRST[by] });
  if (slots.current.by !== by) slots.current = { by, places: FIRST[by] };
  slots.current.places = places(
    slots.current.places,
    counted.rows.map((row) => row.name),
    COLOURS,
  );

  const series = useMemo(() => {
    const each = (row: Row, name: string, colour: number) => ({
      name,
      colour,
      values: [...Array<null>(first - from).fill(null), ...row.counts],
    });
    const named = slots.current.places.flatMap((name, place) => {
      const row = counted.rows.find((row) => row.name === name);
      return row ? [each(row, called(row.name, by), place + 1)] : [];
    });
    return counted.other.total > 0 ? [...named, each(counted.other, "all others", 0)] : named;
  }, [counted, from]);

  return (
    <section class="panel stack" aria-labelledby="events-a-minute">
      <header class="heading">
        <h2 id="events-a-minute">Events a minute</h2>
        <div class="actions">
          <Choice name="by" label="By what" of={BY} />
          <Choice name="last" label="How long" of={LAST} />
        </div>
      </header>
      {rates.problem.value ? (
        <Problem error={rates.problem.value} retry={() => rates.retry()} />
      ) : null}
      {known === Number.POSITIVE_INFINITY ? (
        rates.problem.value ? null : (
          <Loading what="the newest events" />
        )
      ) : counted.total === 0 && marks.length === 0 && !rates.reading.value ? (
        <Empty title="No event in this time">
          <p>
            They show here as they come. Choose a longer time above, or send one:{" "}
            <code>tocsin send --type tool_call --tool search</code>
          </p>
        </Empty>
      ) : (
        <>
          {known > from * 60_000 ? <Known since={known} /> : null}
          <Chart
            label="Events a minute"
            times={Array.from({ length: minutes }, (_, index) => (from + index) * 60)}
            step={60}
            series={series}
            flags={flagsOf(marks)}
            time={minuteText}
            value={whole}
            wholes
          />
          <Table
            label="Events by name"
            columns={columns(by, counted.other, counted.minutes.length)}
            rows={counted.other.total > 0 ? [...counted.rows, counted.other] : counted.rows}
          />
          <Unusual marks={marks} />
        </>
      )}
    </section>
  );
}

/** What was counted, read once a second at most, and only if something came. */
function useCounted(by: Group, from: number, newest: number) {
  const second = Math.floor(now.value / 1_000);
  const revision = useMemo(() => rates.revision.peek(), [second, rates.reading.value]);
  return useMemo(() => rates.counts.read(by, from, newest, COLOURS), [revision, by, from, newest]);
}

function Known(props: { since: number }) {
  return (
    <p class="soft">
      {rates.reading.value
        ? "Reading what was before …"
        : `Counted since ${clock(new Date(props.since).toISOString()).slice(0, 8)}. ${
            rates.cutOff ? "What came before is more than this page reads at once." : ""
          }`}
    </p>
  );
}

function columns(by: Group, other: Row, minutes: number): Column<Row>[] {
  const most = (row: Row) => Math.max(...row.counts);
  const rate = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });
  return [
    {
      name: by === "tool" ? "Tool" : "Action",
      show: (row) => (row === other ? "all others" : <Name row={row} by={by} />),
      by: (row) => row.name,
    },
    { name: "Events", show: (row) => whole(row.total), by: (row) => row.total, number: true },
    {
      name: "A minute",
      show: (row) => rate.format(row.total / minutes),
      by: (row) => row.total,
      number: true,
    },
    { name: "Most", show: (row) => whole(most(row)), by: most, number: true },
    {
      name: "This minute",
      show: (row) => whole(row.counts.at(-1) ?? 0),
      by: (row) => row.counts.at(-1) ?? 0,
      number: true,
    },
  ];
}

/** A name, which leads to its events. */
function Name(props: { row: Row; by: Group }) {
  const { row, by } = props;
  if (row.name === "") return <span class="soft">{called("", by)}</span>;
  return (
    <a href={routeText("feed", "", { [by]: row.name })}>
      <Text>{oneLine(row.name)}</Text>
    </a>
  );
}

function called(name: string, by: Group): string {
  return name === "" ? `no ${by}` : oneLine(name, 40);
}

/** One mark a minute however many alerts it had: it leads to the worst. */
function flagsOf(marks: readonly Mark[]): Flag[] {
  const minutes = new Map<number, Mark[]>();
  for (const mark of marks) minutes.set(mark.minute, [...(minutes.get(mark.minute) ?? []), mark]);
  return [...minutes].flatMap(([minute, all]) => {
    const worst = all.toSorted((a, b) => WORST.indexOf(a.severity) - WORST.indexOf(b.severity))[0];
    if (!worst) return [];
    const more = all.length > 1 ? ` and ${count(all.length - 1, "more")}` : "";
    return {
      at: minute * 60 + 30,
      href: routeText("anomalies", worst.id),
      label: `${minuteText(minute * 60)}: ${worst.severity} ${worst.kind}, ${worst.said}${more}`,
      severity: worst.severity,
    };
  });
}

function Unusual(props: { marks: Mark[] }) {
  const newestFirst = props.marks.toSorted((a, b) => b.minute - a.minute);
  if (newestFirst.length === 0) return null;
  return (
    <>
      <h3>{count(newestFirst.length, "anomaly", "anomalies")} in this time</h3>
      <Table
        label="Anomalies in this time"
        most={10}
        rows={newestFirst}
        columns={[
          { name: "Time", show: (mark) => minuteText(mark.minute * 60) },
          { name: "Severity", show: (mark) => <Chip of={mark.severity} /> },
          {
            name: "What",
            show: (mark) => <a href={routeText("anomalies", mark.id)}>{oneLine(mark.kind)}</a>,
          },
          { name: "Why", show: (mark) => <Text>{oneLine(mark.said)}</Text> },
        ]}
      />
    </>
  );
}

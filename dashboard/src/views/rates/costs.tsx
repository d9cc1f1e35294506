/** What calls cost, and the tokens that they took, over time. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { COST_GROUPS, type CostGroup, type CostRow, costSummary } from "../../api/costs.ts";
import { log } from "../../live/log.ts";
import { Chart, COLOURS } from "../../ui/chart.tsx";
import { Choice, chosen } from "../../ui/choice.tsx";
import { useLoaded } from "../../ui/load.ts";
import { Empty, Shown, Text } from "../../ui/parts.tsx";
import { type Column, Table } from "../../ui/table.tsx";
import { compact, dollars, oneLine, whole } from "../../ui/text.ts";
import { minuteText, utcDayText } from "../../ui/time.ts";
import {
  addUp,
  bucketsOf,
  type Cost,
  FIGURES,
  type Figure,
  RANGES,
  type Range,
  readBuckets,
  spanOf,
} from "./costs.ts";

const GROUP_NAMES = { agent: "By agent", model: "By model", tool: "By tool" } as const;
const FIGURE_NAMES = { cost: "Cost", tokens: "Tokens", calls: "Calls" } as const;
const SAID: Record<Figure, (value: number) => string> = {
  cost: dollars,
  tokens: compact,
  calls: compact,
};
const RELOAD_MS = 30_000;
const usd = (digits: number) =>
  new Intl.NumberFormat("en-US", {
    style: "currency",
    currency: "USD",
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
const [CENTS, FINE] = [usd(2), usd(4)];

export function Costs() {
  const group = chosen("group", COST_GROUPS);
  const range = chosen("range", Object.keys(RANGES) as Range[]);
  const figure = chosen("show", Object.keys(FIGURES) as Figure[]);
  const turn = useTurn();
  const known = useRef({ of: "", rows: new Map<number, CostRow[]>() });
  const loaded = useLoaded(
    async (signal) => {
      const buckets = bucketsOf(range, Date.now());
      const of = `${range} ${group}`;
      const before = known.current.of === of ? known.current.rows : new Map();
      const [summary, rows] = await Promise.all([
        costSummary(spanOf(buckets.times, buckets.step), signal),
        readBuckets(buckets, group, before, signal),
      ]);
      known.current = { of, rows };
      return { buckets, summary, rows };
    },
    [range, group],
  );
  useEffect(() => {
    if (turn > 0) loaded.reload();
  }, [turn]);

  return (
    <section class="panel stack" aria-labelledby="cost">
      <header class="heading">
        <h2 id="cost">Cost and tokens</h2>
        <div class="actions">
          <Choice name="show" label="What" of={FIGURE_NAMES} />
          <Choice name="group" label="Of whom" of={GROUP_NAMES} />
          <Choice name="range" label="Range" of={RANGES} />
        </div>
      </header>
      <Shown of={loaded} what="costs">
        {({ buckets, summary, rows }) =>
          summary.total_requests === 0 ? (
            <Empty title="No call in this time">
              <p>
                Calls that carry a model, tokens or a cost are added up here within a minute: send{" "}
                <code>model</code>, <code>total_tokens</code> and <code>cost_usd</code> with them.
              </p>
            </Empty>
          ) : (
            <>
              <dl class="figures-row">
                <Total name="Cost">
                  {(summary.total_cost_usd < 1 ? FINE : CENTS).format(summary.total_cost_usd)}
                </Total>
                <Total name="Tokens">{whole(summary.total_tokens)}</Total>
                <Total name="Calls">{whole(summary.total_requests)}</Total>
                <Total name="Time a call">
                  {summary.avg_latency_ms === null
                    ? "not known"
                    : `${whole(Math.round(summary.avg_latency_ms))} ms`}
                </Total>
              </dl>
              <Groups {...buckets} rows={rows} group={group} figure={figure} />
            </>
          )
        }
      </Shown>
    </section>
  );
}

function Total(props: { name: string; children: string }) {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </div>
  );
}

function Groups(props: {
  times: number[];
  step: number;
  rows: Map<number, CostRow[]>;
  group: CostGroup;
  figure: Figure;
}) {
  const { times, step, rows, group, figure } = props;
  const by = FIGURES[figure];
  const costs = useMemo(() => addUp(times, rows, figure), [rows, figure]);
  const series = useMemo(() => {
    const some = costs.filter((cost) => cost[by] > 0);
    const top = some.filter((cost) => !cost.other).slice(0, COLOURS);
    const rest = some.filter((cost) => !top.includes(cost));
    const named = top.map((cost, index) => ({
      name: oneLine(cost.group, 40),
      colour: index + 1,
      values: cost.byBucket.map((row) => row[by]),
    }));
    if (rest.length === 0) return named;
    const values = times.map((_, index) =>
      rest.reduce((sum, cost) => sum + (cost.byBucket[index]?.[by] ?? 0), 0),
    );
    return [...named, { name: "all others", colour: 0, values }];
  }, [costs, by]);
  if (costs.length === 0) {
    return (
      <Empty title={`No call in this time names ${group === "model" ? "a model" : `its ${group}`}`}>
        <p>What all calls had is above. Look at them by something else.</p>
      </Empty>
    );
  }
  return (
    <>
      <Chart
        label={`${FIGURE_NAMES[figure]} ${GROUP_NAMES[group].toLowerCase()}`}
        times={times}
        step={step}
        series={series}
        time={step < 86_400 ? minuteText : utcDayText}
        value={SAID[figure]}
        wholes={figure !== "cost"}
      />
      <Table
        key={`${group} ${figure}`}
        label={`Cost and tokens ${GROUP_NAMES[group].toLowerCase()}`}
        columns={columns(group)}
        rows={costs}
      />
      <p class="soft">
        {step < 86_400 ? "" : "Days are UTC's. "}A call is counted at its timestamp. One that names
        no {group} is in the figures above, and not here.
      </p>
    </>
  );
}

function columns(group: CostGroup): Column<Cost>[] {
  return [
    {
      name: { agent: "Agent", model: "Model", tool: "Tool" }[group],
      show: (cost) => (cost.other ? "all others" : <Text>{oneLine(cost.group)}</Text>),
      by: (cost) => cost.group,
    },
    {
      name: "Cost",
      show: (cost) => FINE.format(cost.cost_usd),
      by: (cost) => cost.cost_usd,
      number: true,
    },
    { name: "Tokens", show: (cost) => whole(cost.tokens), by: (cost) => cost.tokens, number: true },
    {
      name: "Calls",
      show: (cost) => whole(cost.requests),
      by: (cost) => cost.requests,
      number: true,
    },
  ];
}

/** Grows after events came, each half minute at most, while the page is seen. */
function useTurn(): number {
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let came = false;
    const end = log.listen(() => {
      came = true;
    });
    const timer = setInterval(() => {
      if (!came || document.hidden) return;
      came = false;
      setTurn((was) => was + 1);
    }, RELOAD_MS);
    return () => {
      end();
      clearInterval(timer);
    };
  }, []);
  return turn;
}

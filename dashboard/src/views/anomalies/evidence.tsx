/** What an alert is told by: what was seen against what is usual, and the events that show it. */

import type { ComponentChildren } from "preact";
import type { Anomaly } from "../../api/anomalies.ts";
import { fieldsOf, type LoggedEvent } from "../../api/events.ts";
import { routeText } from "../../app/route.ts";
import { Ago, Facts, Text } from "../../ui/parts.tsx";
import { whole } from "../../ui/text.ts";
import { full } from "../../ui/time.ts";
import { amount, chance, titleOf } from "./words.ts";

const SAID = new Set(["seen", "unit", "seqs", "expected", "threshold", "probability", "since"]);

export function Evidence(props: { anomaly: Anomaly; event: LoggedEvent | null }) {
  const { anomaly, event } = props;
  const found = event ? evidenceOf(event) : {};
  const unit = typeof found.unit === "string" ? found.unit : "";
  const figure = (name: string) => {
    const value = found[name];
    return typeof value === "number" ? amount(value, unit) : undefined;
  };
  const since = typeof found.since === "string" ? found.since : undefined;
  const facts: [string, ComponentChildren | undefined][] = [
    ["Seen", figure("seen") && <strong>{figure("seen")}</strong>],
    ["Expected", figure("expected")],
    ["Alerts beyond", figure("threshold")],
    [
      "By chance",
      anomaly.probability === undefined ? undefined : (
        <>
          {chance(anomaly.probability)}{" "}
          <span class="soft">(probability {anomaly.probability.toExponential(1)})</span>
        </>
      ),
    ],
    [
      "Since",
      since && (
        <>
          <Ago at={since} /> <span class="soft">{full(since)}</span>
        </>
      ),
    ],
    ...Object.entries(found)
      .filter(([name]) => !SAID.has(name))
      .map(([name, value]): [string, ComponentChildren] => [
        titleOf(name),
        <Text>{typeof value === "string" ? value : JSON.stringify(value)}</Text>,
      ]),
    ["Shown by", anomaly.seqs.length > 0 ? <Seqs of={anomaly.seqs} /> : undefined],
  ];
  return (
    <Facts
      of={facts.filter((each): each is [string, ComponentChildren] => each[1] !== undefined)}
    />
  );
}

/** From the first to the last of the events that show it. */
function Seqs(props: { of: readonly number[] }) {
  return (
    <>
      {props.of.map((seq, index) => (
        <span key={seq}>
          {index > 0 ? " to " : "seq "}
          <a href={routeText("feed", "", { around: String(seq) })}>{whole(seq)}</a>
        </span>
      ))}
    </>
  );
}

function evidenceOf(event: LoggedEvent): Record<string, unknown> {
  const data = fieldsOf(event).data as { evidence?: Record<string, unknown> } | undefined;
  return data?.evidence ?? {};
}

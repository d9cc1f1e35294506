/** The drawing of a session against time. */

import { useMemo } from "preact/hooks";
import type { Moment, Outcome } from "../../ui/moment.ts";
import { count, oneLine, whole } from "../../ui/text.ts";
import { clock, day, span } from "../../ui/time.ts";
import { COLUMNS, type Lane, type Strip, stripOf } from "./strip.ts";

const HEIGHT = 20;
const DRAWN: Outcome[] = ["ok", "failed", "denied", "anomaly"];
const WORDS = { failed: "failed", denied: "denied", anomaly: "anomalies" } as const;

export function StripChart(props: { moments: readonly Moment[]; revision: number }) {
  const strip = useMemo(() => stripOf(props.moments), [props.revision]);
  return (
    <figure class="strip">
      <div class="lanes">
        {strip.lanes.map((lane) => (
          <div class="lane" key={lane.name}>
            <span class="lane-name">
              <bdi>{lane.name ? oneLine(lane.name, 60) : count(strip.others, "other")}</bdi>
            </span>
            <svg
              viewBox={`0 0 ${COLUMNS} ${HEIGHT}`}
              preserveAspectRatio="none"
              role="img"
              aria-label={laneText(lane, strip)}
            >
              {strip.pauses.map((pause) => (
                <rect
                  key={pause.from}
                  class="pause"
                  x={pause.from}
                  y={0}
                  width={pause.to - pause.from}
                  height={HEIGHT}
                />
              ))}
              {DRAWN.map((outcome) => (
                <path key={outcome} class={`is-${outcome}`} d={drawn(lane, outcome, strip.most)} />
              ))}
            </svg>
          </div>
        ))}
      </div>
      <div class="axis">
        <span>{moment(strip.fromMs)}</span>
        <span class="soft">
          {span((strip.toMs - strip.fromMs) / 1_000)}
          {strip.pauses.length > 0 ? `, ${pausesText(strip)} left out` : ""}
        </span>
        <span>{moment(strip.toMs)}</span>
      </div>
      <figcaption>
        <span class="key is-ok">done</span>
        <span class="key is-denied">denied</span>
        <span class="key is-failed">failed</span>
        <span class="key is-anomaly">anomaly</span>
        {strip.pauses.length > 0 ? <span class="key is-pause">pause</span> : null}
      </figcaption>
    </figure>
  );
}

/** The bars of one outcome: the taller, the more there were; what went wrong is always seen. */
function drawn(lane: Lane, outcome: Outcome, most: number): string {
  let path = "";
  for (const mark of lane.marks) {
    const many = outcome === "ok" ? mark.count : mark.of[outcome];
    if (!many) continue;
    const least = outcome === "ok" ? 0.2 : 0.45;
    const height = HEIGHT * (least + (1 - least) * Math.sqrt(many / most));
    path += `M${mark.column} ${HEIGHT}v${-height.toFixed(1)}h0.85V${HEIGHT}z`;
  }
  return path;
}

function laneText(lane: Lane, strip: Strip): string {
  const name = lane.name ? oneLine(lane.name, 60) : count(strip.others, "other");
  const wrong = (Object.keys(WORDS) as (keyof typeof WORDS)[])
    .map((outcome) => ({
      outcome,
      many: lane.marks.reduce((sum, mark) => sum + (mark.of[outcome] ?? 0), 0),
    }))
    .filter(({ many }) => many > 0)
    .map(({ outcome, many }) => `, ${whole(many)} ${WORDS[outcome]}`);
  return `${name}: ${count(lane.count, "event")}${wrong.join("")}`;
}

function pausesText({ pauses }: Strip): string {
  const [first, ...rest] = pauses;
  if (first && rest.length === 0) return `a pause of ${span(first.ms / 1_000)}`;
  const sum = pauses.reduce((all, each) => all + each.ms, 0);
  return `${count(pauses.length, "pause")} of ${span(sum / 1_000)} together`;
}

function moment(ms: number): string {
  const iso = new Date(ms).toISOString();
  return `${day(iso)} ${clock(iso).slice(0, 8)}`;
}

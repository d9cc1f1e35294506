/** Rows of events, as the lists of sessions and agents have them. */

import { routeText } from "../app/route.ts";
import { reportsOf } from "../live/calls.ts";
import type { Moment } from "./moment.ts";
import { Chip } from "./parts.tsx";
import { compact, dollars, oneLine } from "./text.ts";
import { clock, full } from "./time.ts";

export function MomentRow(props: { of: Moment }) {
  const { of } = props;
  const told = reportsOf(of.seqs.length, of.ways);
  const failed = of.outcome === "failed" || of.outcome === "anomaly";
  return (
    <div class={`moment is-${of.outcome}`}>
      <time class="at mono" dateTime={of.at} title={full(of.at)}>
        {clock(of.at)}
      </time>
      <span class="act">
        <Chip of={failed ? (of.outcome === "failed" ? "error" : "alert") : of.action || "log"} />
      </span>
      <bdi class="what">
        {oneLine(of.what, 120)}
        {told ? <span class="told">{oneLine(told, 80)}</span> : null}
      </bdi>
      <bdi class="about">{oneLine(of.note, 200)}</bdi>
      <span class="cost">
        {[
          of.latencyMs === undefined ? "" : `${compact(of.latencyMs)} ms`,
          of.tokens === undefined ? "" : `${compact(of.tokens)} tokens`,
          of.costUsd === undefined ? "" : dollars(of.costUsd),
        ]
          .filter(Boolean)
          .join(" · ")}
      </span>
    </div>
  );
}

/** Some events, each a link to all of it. */
export function MomentLinks(props: { of: readonly Moment[]; label: string }) {
  return (
    <ul class="moments" aria-label={props.label}>
      {props.of.map((each) => (
        <li key={each.seq}>
          <a href={routeText("feed", each.id)}>
            <MomentRow of={each} />
          </a>
        </li>
      ))}
    </ul>
  );
}

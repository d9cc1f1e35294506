/** One row of the feed. */

import { actionOf, reportsOf } from "../../live/calls.ts";
import { Chip } from "../../ui/parts.tsx";
import { oneLine } from "../../ui/text.ts";
import { clock } from "../../ui/time.ts";
import type { FeedRow } from "./rows.ts";

export function Row(props: { of: FeedRow; mark: boolean }) {
  const { shown: event, reports } = props.of;
  const action = actionOf(reports);
  const told = reportsOf(
    reports.length,
    reports.map((each) => each.via),
  );
  const critical = event.type === "anomaly";
  return (
    <div class={`event${critical ? " is-anomaly" : ""}${props.mark ? " marked" : ""}`}>
      <time class="at mono">{clock(event.at)}</time>
      <span class="act">{action ? <Chip of={action} /> : null}</span>
      <bdi class="what">
        {oneLine(event.tool || event.model || event.server || event.type, 120)}
        {told ? <span class="told">{oneLine(told, 80)}</span> : null}
      </bdi>
      <bdi class="type">{oneLine(event.type, 80)}</bdi>
      <bdi class="who">{oneLine(event.agent || "–", 80)}</bdi>
      <bdi class="in">{oneLine(event.session || "–", 80)}</bdi>
      <span class="seq mono">{event.seq}</span>
    </div>
  );
}

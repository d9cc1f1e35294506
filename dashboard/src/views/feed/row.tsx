/** One row of the feed. */

import type { LoggedEvent } from "../../api/events.ts";
import { Chip } from "../../ui/parts.tsx";
import { oneLine } from "../../ui/text.ts";
import { clock } from "../../ui/time.ts";

export function Row(props: { event: LoggedEvent; mark: boolean }) {
  const { event } = props;
  const critical = event.type === "anomaly";
  return (
    <div class={`event${critical ? " is-anomaly" : ""}${props.mark ? " marked" : ""}`}>
      <time class="at mono">{clock(event.at)}</time>
      <span class="act">{event.action ? <Chip of={event.action} /> : null}</span>
      <bdi class="what">
        {oneLine(event.tool || event.model || event.server || event.type, 120)}
      </bdi>
      <bdi class="type">{oneLine(event.type, 80)}</bdi>
      <bdi class="who">{oneLine(event.agent || "–", 80)}</bdi>
      <bdi class="in">{oneLine(event.session || "–", 80)}</bdi>
      <span class="seq mono">{event.seq}</span>
    </div>
  );
}

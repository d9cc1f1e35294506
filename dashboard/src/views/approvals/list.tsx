/** A call that waits, as a row; `mates`: so many of its run wait. */

import type { Listed } from "../../api/approvals.ts";
import { routeText } from "../../app/route.ts";
import { Chip, Text } from "../../ui/parts.tsx";
import { count, oneLine } from "../../ui/text.ts";
import { Countdown } from "./time.tsx";
import { outcome } from "./waiting.ts";

export function Row(props: { call: Listed; open: boolean; mates: number }) {
  const { call } = props;
  const ended = outcome(call.id);
  const what = oneLine(call.command || call.message, 160);
  return (
    <li>
      <a
        class={ended ? "call is-over" : "call"}
        href={routeText("approvals", call.id)}
        aria-current={props.open ? "true" : undefined}
        data-id={call.id}
      >
        <span class="call-tool">
          <Text>{oneLine(call.tool, 80)}</Text>
        </span>
        {ended ? <Chip of={ended.status} /> : <Countdown call={call} />}
        <span class={call.command ? "call-what mono" : "call-what"}>
          <Text>{what}</Text>
        </span>
        <span class="call-who soft">
          <Text>{oneLine(call.agent, 60)}</Text>
          {props.mates > 1 ? ` · ${count(props.mates, "call")} of its run` : ""}
        </span>
      </a>
    </li>
  );
}

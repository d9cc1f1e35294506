/** The trace that an event is part of: what caused what. */

import { listEvents } from "../../api/events.ts";
import { routeText } from "../../app/route.ts";
import { useLoaded } from "../../ui/load.ts";
import { Chip, Shown, Text } from "../../ui/parts.tsx";
import { count } from "../../ui/text.ts";
import { clock } from "../../ui/time.ts";
import { causalTree, type Node } from "./trace.ts";

const MAX_EVENTS = 500;
const MAX_DEPTH = 40;

export function Trace(props: { id: string; here: string }) {
  const loaded = useLoaded(
    (signal) => listEvents({ trace: props.id }, { limit: MAX_EVENTS }, signal),
    [props.id],
  );
  return (
    <Shown of={loaded} what="the trace">
      {({ events, next }) => (
        <div class="stack">
          <p class="soft">
            {count(events.length, "event")} of the trace{next ? ", the newest" : ""}.{" "}
            <a href={routeText("feed", "", { trace: props.id })}>Show them in the feed</a>
          </p>
          <Branches nodes={causalTree([...events].reverse())} here={props.here} depth={1} />
        </div>
      )}
    </Shown>
  );
}

function Branches(props: { nodes: Node[]; here: string; depth: number }) {
  if (props.nodes.length === 0) return null;
  if (props.depth > MAX_DEPTH) return <p class="soft">… and deeper</p>;
  return (
    <ul class="trace">
      {props.nodes.map((node) => (
        <li key={node.event.id}>
          <a
            href={routeText("feed", node.event.id)}
            aria-current={node.event.id === props.here ? "true" : undefined}
          >
            <span class="mono">{clock(node.event.at)}</span>{" "}
            <Text>{node.event.tool || node.event.type}</Text>{" "}
            {node.event.action ? <Chip of={node.event.action} /> : null}
          </a>
          <Branches nodes={node.children} here={props.here} depth={props.depth + 1} />
        </li>
      ))}
    </ul>
  );
}

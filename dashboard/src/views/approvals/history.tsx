/** The calls that were answered last, and how. */

import { useEffect, useState } from "preact/hooks";
import { ENDED, outcomeOf } from "../../api/approvals.ts";
import { fieldsOf, followEvents, type LoggedEvent, listEvents } from "../../api/events.ts";
import type { ApiError } from "../../api/http.ts";
import { routeText } from "../../app/route.ts";
import { org } from "../../app/session.ts";
import { log } from "../../live/log.ts";
import { asProblem, useLoaded } from "../../ui/load.ts";
import { Chip, Empty, Problem, Shown, Text } from "../../ui/parts.tsx";
import { oneLine } from "../../ui/text.ts";
import { Since } from "./time.tsx";

const PAGE = 50;
const ENDS = new Set(ENDED.split(","));
/** As many that come while one looks are held beside what was read. */
const MAX_FRESH = 500;

export function History(props: { open: string }) {
  const first = useLoaded(
    (signal) => listEvents({ type: ENDED }, { limit: PAGE }, signal),
    [org.value],
  );
  const [more, setMore] = useState<{ events: LoggedEvent[]; next: string | undefined }>();
  const [fresh, setFresh] = useState<readonly LoggedEvent[]>([]);
  const [problem, setProblem] = useState<ApiError>();
  useEffect(
    () =>
      log.listen((events) => {
        const ended = events.filter(({ type }) => ENDS.has(type)).reverse();
        if (ended.length > 0) setFresh((was) => [...ended, ...was].slice(0, MAX_FRESH));
      }),
    [],
  );
  const older = (next: string) => {
    setProblem(undefined);
    followEvents(next).then(
      (page) => setMore((was) => ({ ...page, events: [...(was?.events ?? []), ...page.events] })),
      (error: unknown) => setProblem(asProblem(error)),
    );
  };
  return (
    <Shown of={first} what="what was answered">
      {(page) => {
        const newest = page.events[0]?.seq ?? 0;
        const came = fresh.filter((event) => event.seq > newest);
        const all = [...came, ...page.events, ...(more?.events ?? [])];
        const next = more ? more.next : page.next;
        return (
          <>
            {all.length === 0 && !next ? (
              <Empty title="Nothing was answered yet">
                <p>What is approved, denied or expires stands here, with who did it.</p>
              </Empty>
            ) : (
              <ul class="calls">
                {all.map((event) => (
                  <Answered key={event.seq} event={event} open={props.open} />
                ))}
              </ul>
            )}
            {problem ? <Problem error={problem} /> : null}
            {next ? (
              <button type="button" onClick={() => older(next)}>
                Older ones
              </button>
            ) : null}
          </>
        );
      }}
    </Shown>
  );
}

function Answered(props: { event: LoggedEvent; open: string }) {
  const { event } = props;
  const { id, status, by } = outcomeOf(event);
  const { request, data } = fieldsOf(event) as { [part: string]: Record<string, string> };
  return (
    <li>
      <a
        class="call"
        href={routeText("approvals", id, { tab: "history" })}
        aria-current={props.open === id ? "true" : undefined}
      >
        <span class="call-tool">
          <Text>{oneLine(event.tool, 80)}</Text>
        </span>
        <Chip of={status} />
        <span class={request?.command ? "call-what mono" : "call-what"}>
          <Text>{oneLine(request?.command || data?.message || "", 160)}</Text>
        </span>
        <span class="call-who soft">
          <Text>{oneLine(event.agent, 60)}</Text>
          {status === "expired" ? " · " : " · by "}
          {status === "expired" ? null : (
            <>
              <Text>{oneLine(by, 60)}</Text>
              {" · "}
            </>
          )}
          <Since at={event.at} />
        </span>
      </a>
    </li>
  );
}

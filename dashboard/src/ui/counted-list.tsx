/** A list of what events are counted by: sessions, or agents; the newest seen first. */

import type { ComponentChildren } from "preact";
import type { LoggedEvent } from "../api/events.ts";
import type { Asked, Found } from "../api/pages.ts";
import type { Figures } from "../api/sessions.ts";
import { org } from "../app/session.ts";
import { CountedCells, CountedHeads, CountedLine, ShowMore } from "./figures.tsx";
import { useLive } from "./live.ts";
import { NameLink, OpenById } from "./name.tsx";
import { usePages } from "./pages.ts";
import { Ago, Chip, Empty, Heading, Loading, Problem } from "./parts.tsx";

interface Row extends Figures {
  id: string;
  name?: string;
  status: string;
}

export function CountedList<T extends Row>(props: {
  view: "agents" | "sessions";
  /** What one of them is called: `Agent`. */
  one: string;
  read: (asked: Asked, signal?: AbortSignal) => Promise<Found<T>>;
  concerns: (event: LoggedEvent) => boolean;
  /** What is said where there is none. */
  children: ComponentChildren;
}) {
  const { view, one } = props;
  const pages = usePages(view, props.read, [org.value]);
  useLive(props.concerns, pages.reload, pages.loading);
  return (
    <>
      <Heading title={`${one}s`}>
        <OpenById view={view} label={`${one} id`} />
      </Heading>
      {pages.problem ? <Problem error={pages.problem} retry={pages.reload} /> : null}
      {pages.items?.length ? (
        <>
          <table class="listed">
            <thead>
              <tr>
                <th scope="col">{one}</th>
                <th scope="col">Status</th>
                <th scope="col">Last seen</th>
                <CountedHeads />
              </tr>
            </thead>
            <tbody>
              {pages.items.map((each) => (
                <tr key={each.id}>
                  <td class="of-name">
                    <NameLink view={view} id={each.id} text={each.name || each.id} />
                    <CountedLine of={each} />
                  </td>
                  <td>
                    <Chip of={each.status} />
                  </td>
                  <td class="when">
                    {each.last_seen_at ? <Ago at={each.last_seen_at} /> : "never"}
                  </td>
                  <CountedCells of={each} />
                </tr>
              ))}
            </tbody>
          </table>
          <ShowMore of={pages} what={view} />
        </>
      ) : pages.items ? (
        <Empty title={`No ${one.toLowerCase()} was seen yet`}>{props.children}</Empty>
      ) : pages.loading ? (
        <Loading what={view} />
      ) : null}
    </>
  );
}

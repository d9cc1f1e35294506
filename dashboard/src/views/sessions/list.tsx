/** The sessions, the newest seen first. */

import { listSessions } from "../../api/sessions.ts";
import { org } from "../../app/session.ts";
import { CountedCells, CountedHeads, CountedLine, ShowMore } from "../../ui/figures.tsx";
import { useLive } from "../../ui/live.ts";
import { NameLink, OpenById } from "../../ui/name.tsx";
import { usePages } from "../../ui/pages.ts";
import { Ago, Chip, Empty, Heading, Loading, Problem } from "../../ui/parts.tsx";

export function SessionList() {
  const pages = usePages("sessions", listSessions, [org.value]);
  useLive((event) => event.session !== "", pages.reload, pages.loading);
  return (
    <>
      <Heading title="Sessions">
        <OpenById view="sessions" label="Session id" />
      </Heading>
      {pages.problem ? <Problem error={pages.problem} retry={pages.reload} /> : null}
      {pages.items ? (
        pages.items.length > 0 ? (
          <>
            <table class="listed">
              <thead>
                <tr>
                  <th scope="col">Session</th>
                  <th scope="col">Status</th>
                  <th scope="col">Last seen</th>
                  <CountedHeads />
                </tr>
              </thead>
              <tbody>
                {pages.items.map((each) => (
                  <tr key={each.id}>
                    <td class="of-name">
                      <NameLink view="sessions" id={each.id} />
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
            <ShowMore of={pages} what="sessions" />
          </>
        ) : (
          <Empty title="No session was seen yet">
            <p>An event that names a session makes it appear here, within seconds:</p>
            <pre class="code">tocsin send --tool search --session my-first</pre>
          </Empty>
        )
      ) : pages.loading ? (
        <Loading what="sessions" />
      ) : null}
    </>
  );
}

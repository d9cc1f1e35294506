/** All that reports the call of an event: who told of it, and when. */

import { type Filter, type LoggedEvent, listEvents } from "../../api/events.ts";
import { routeText } from "../../app/route.ts";
import { CALL_MS } from "../../live/calls.ts";
import { useLive } from "../../ui/live.ts";
import { useLoaded } from "../../ui/load.ts";
import { Chip, Text } from "../../ui/parts.tsx";
import { count } from "../../ui/text.ts";
import { clock } from "../../ui/time.ts";

const MOST = 100;
/** As far around it are they looked for: a search of all the past for an id would take long. */
const AROUND = 100_000;

export function Reports(props: { of: LoggedEvent }) {
  const { of } = props;
  const filter: Filter = { call: of.call };
  const loaded = useLoaded(
    async (signal) => {
      const bounds = { before: of.seq + AROUND, after: Math.max(of.seq - AROUND, 0) };
      const { events } = await listEvents(filter, { limit: MOST, ...bounds }, signal);
      return events.filter((each) => isOfCall(each, of)).reverse();
    },
    [of.id],
  );
  useLive((each) => isOfCall(each, of), loaded.reload, loaded.loading);
  const reports = loaded.value ?? [];
  if (reports.length < 2) return null;
  return (
    <section aria-label="Reports of this call">
      <p class="soft">
        One call, {count(reports.length, "report")}.{" "}
        <a href={routeText("feed", "", { call: of.call })}>Show them in the feed</a>
      </p>
      <ul class="trace">
        {reports.map((each) => (
          <li key={each.id}>
            <a
              href={routeText("feed", each.id)}
              aria-current={each.id === of.id ? "true" : undefined}
            >
              <span class="mono">{clock(each.at)}</span> <Text>{each.via || each.type}</Text>{" "}
              {each.action ? <Chip of={each.action} /> : null}{" "}
              <Text>{each.via ? each.type : each.agent}</Text>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function isOfCall(event: LoggedEvent, of: LoggedEvent): boolean {
  const apart = Math.abs(event.receivedMs - of.receivedMs);
  return event.callKey === of.callKey && apart <= CALL_MS;
}

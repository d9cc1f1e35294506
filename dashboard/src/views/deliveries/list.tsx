/** Where events are sent, and how that goes. */

import { useState } from "preact/hooks";
import { type Endpoint, FORMATS, listEndpoints } from "../../api/endpoints.ts";
import { can, org } from "../../app/session.ts";
import { Choice, chosen } from "../../ui/choice.tsx";
import { useLive } from "../../ui/live.ts";
import { useLoaded } from "../../ui/load.ts";
import { NameLink } from "../../ui/name.tsx";
import { Ago, Chip, Empty, Heading, Shown, Text } from "../../ui/parts.tsx";
import { oneLine, whole } from "../../ui/text.ts";
import { serverNow, useDue } from "./due.ts";
import { Add } from "./form.tsx";
import { nameOf, placeOf, type State, sentenceOf, stateOf, triedNext } from "./state.ts";

const TITLES: Record<State, string> = {
  failing: "Failing",
  paused: "Paused",
  slow: "Slow",
  active: "Active",
};
const STATES = Object.keys(TITLES) as State[];

export function EndpointList() {
  const loaded = useLoaded(listEndpoints, [org.value]);
  const [adding, setAdding] = useState(false);
  // Any event may be sent to one of them.
  useLive(() => true, loaded.reload, loaded.loading);
  const due = (loaded.value ?? []).map(triedNext).filter(Boolean).sort()[0] ?? "";
  useDue(due, loaded.reload);
  const may = can("admin");
  const add = (
    <button type="button" class="primary" onClick={() => setAdding(true)}>
      Add an endpoint …
    </button>
  );
  return (
    <>
      <Heading title="Deliveries">{may && loaded.value?.length ? add : null}</Heading>
      <Shown of={loaded} what="where events are sent">
        {(all) =>
          all.length > 0 ? (
            <Endpoints of={all} />
          ) : (
            <Empty title="Nothing is sent anywhere yet">
              <p>
                An endpoint is sent events as they happen: a webhook of yours, a channel of Slack,
                Teams or Discord, PagerDuty, mail, Splunk, or S3.
              </p>
              {may ? <p>{add}</p> : <p>Admins add them: your key does not have that scope.</p>}
            </Empty>
          )
        }
      </Shown>
      {adding ? <Add close={() => setAdding(false)} /> : null}
    </>
  );
}

function Endpoints(props: { of: readonly Endpoint[] }) {
  const at = serverNow();
  const states = props.of.map((each) => stateOf(each, at));
  const of = Object.fromEntries([
    ["all", `All ${whole(states.length)}`],
    ...STATES.map((state) => [state, states.filter((each) => each === state).length] as const)
      .filter(([, number]) => number > 0)
      .map(([state, number]) => [state, `${TITLES[state]} ${whole(number)}`]),
  ]);
  const wanted = chosen("status", ["all", ...STATES]);
  // In the order in which they were made: no row moves under a pointer.
  const rows = props.of.filter((_, index) => wanted === "all" || states[index] === wanted);
  return (
    <>
      <div class="heading">
        <Choice name="status" label="Status" of={of} />
      </div>
      {rows.length > 0 ? <Rows of={rows} at={at} /> : <Empty title={`None is ${wanted}`} />}
    </>
  );
}

function Rows(props: { of: readonly Endpoint[]; at: number }) {
  const { of: rows, at } = props;
  return (
    <table class="listed">
      <thead>
        <tr>
          <th scope="col">Endpoint</th>
          <th scope="col">Status</th>
          <th scope="col">Last delivery</th>
          <th scope="col" class="wide">
            Format
          </th>
          <th scope="col" class="wide">
            Order
          </th>
          <th scope="col" class="number wide">
            Delivered
          </th>
          <th scope="col" class="number wide">
            Given up
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((each) => (
          <tr key={each.id}>
            <td class="of-name">
              <NameLink view="deliveries" id={each.id} text={nameOf(each)} />
              {each.description ? (
                <small class="beside soft">
                  <bdi>{oneLine(placeOf(each), 120)}</bdi>
                </small>
              ) : null}
              <Beside of={each} at={at} />
            </td>
            <td>
              <Chip of={stateOf(each, at)} />
            </td>
            <td class="when">
              {each.last_delivered_at ? <Ago at={each.last_delivered_at} /> : "never"}
            </td>
            <td class="wide">{FORMATS[each.format]?.title ?? oneLine(each.format, 20)}</td>
            <td class="wide">{oneLine(each.order, 20)}</td>
            <td class="number wide">{whole(each.delivered)}</td>
            <td class={`number wide${each.given_up > 0 ? " bad" : " none"}`}>
              {whole(each.given_up)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** What needs somebody: why it is paused, how many wait. */
function Beside(props: { of: Endpoint; at: number }) {
  const { of, at } = props;
  const why = of.status === "paused" && of.reason ? oneLine(of.reason, 160) : "";
  const said = [why, sentenceOf(of, at)].filter(Boolean).join(" · ");
  if (!said) return null;
  return (
    <small class={stateOf(of, at) === "failing" ? "beside bad" : "beside soft"}>
      <Text>{said}</Text>
    </small>
  );
}

/** What was attempted: a line each, and what the receiver answered where one looks. */

import { useState } from "preact/hooks";
import { type Attempt, attemptsOf, MOST_ATTEMPTS } from "../../api/endpoints.ts";
import { routeText } from "../../app/route.ts";
import { ShowMore } from "../../ui/figures.tsx";
import { type Pages, usePages } from "../../ui/pages.ts";
import { Ago, Empty, Facts, Loading, Problem, Text } from "../../ui/parts.tsx";
import { compact, oneLine, visible, whole } from "../../ui/text.ts";
import { clock, day, full, now } from "../../ui/time.ts";
import { resultOf } from "./state.ts";

export type Listed = Attempt & { id: string };

/** A page of attempts of an endpoint. */
export const useAttempts = (endpoint: string, of: "deliveries" | "given-up"): Pages<Listed> =>
  usePages(`${of} of ${endpoint}`, (asked, signal) => attemptsOf(endpoint, of, asked, signal), []);

/** `again` sends one once more; without it nobody can. */
export function Attempts(props: {
  of: Pages<Listed>;
  label: string;
  none: string;
  again: ((from: number, to: number) => void) | undefined;
}) {
  const { of, label } = props;
  const [open, setOpen] = useState("");
  return (
    <>
      {of.problem ? <Problem error={of.problem} retry={of.reload} /> : null}
      {of.items?.length ? (
        <>
          <ul class="attempts" aria-label={label}>
            {of.items.map((each) => (
              <li key={each.id}>
                <Row
                  of={each}
                  open={open === each.id}
                  toggle={() => setOpen(open === each.id ? "" : each.id)}
                />
                {open === each.id ? <Whole of={each} again={props.again} /> : null}
              </li>
            ))}
          </ul>
          <ShowMore of={of} what="attempts" button="Older ones" />
        </>
      ) : of.items && !of.more ? (
        <Empty title={props.none} />
      ) : of.items ? (
        <ShowMore of={of} what="attempts" button="Older ones" />
      ) : of.loading ? (
        <Loading what="what was attempted" />
      ) : null}
    </>
  );
}

function Row(props: { of: Listed; open: boolean; toggle: () => void }) {
  const { of } = props;
  const [word, colour, why] = resultOf(of);
  return (
    <div class="moment attempt">
      <time class="at mono" dateTime={of.at} title={full(of.at)}>
        {today(of.at)}
      </time>
      <span class="how">
        <span class={`chip is-${colour}`}>{word}</span>
      </span>
      <bdi class="what">{oneLine(of.type, 80)}</bdi>
      <a class="seq" href={routeText("feed", of.event_id)} title="The event, in the feed">
        {whole(of.seq)}
        {of.until_seq > of.seq ? `–${whole(of.until_seq)}` : ""}
      </a>
      <bdi class="about">
        {oneLine(
          [
            of.given_up ? "given up" : "",
            of.attempt > 1 ? `attempt ${of.attempt}` : "",
            why,
            of.answer ?? "",
          ]
            .filter(Boolean)
            .join(" · "),
          200,
        )}
      </bdi>
      <span class="cost">{of.latency_ms > 0 ? `${compact(of.latency_ms)} ms` : ""}</span>
      <button
        type="button"
        class="quiet"
        aria-expanded={props.open}
        aria-label={`Details of seq ${of.seq}, attempt ${of.attempt}`}
        onClick={props.toggle}
      >
        {props.open ? "▴" : "▾"}
      </button>
    </div>
  );
}

/** The time of day; of another day, that day and the minute. */
function today(at: string): string {
  const its = day(at);
  return its === day(new Date(now.value).toISOString())
    ? clock(at)
    : `${its.slice(0, 6)} ${clock(at).slice(0, 5)}`;
}

function Whole(props: { of: Listed; again: ((from: number, to: number) => void) | undefined }) {
  const { of, again } = props;
  const why = resultOf(of)[2];
  return (
    <div class="whole stack">
      <Facts
        of={[
          [
            "Tried",
            <>
              <Ago at={of.at} />{" "}
              <span class="soft">
                {day(of.at)} {clock(of.at)}
              </span>
            </>,
          ],
          ["Event", <a href={routeText("feed", of.event_id)}>{oneLine(of.event_id, 60)}</a>],
          ["Type", <Text>{of.type}</Text>],
          ["Attempt", `${of.attempt} of ${MOST_ATTEMPTS}${of.given_up ? ", given up" : ""}`],
          ["Status", of.status ? String(of.status) : "no answer"],
          ...(of.error
            ? ([["Error", `${oneLine(of.error, 60)}${why ? `: ${why}` : ""}`]] as [
                string,
                string,
              ][])
            : []),
          ["Took", `${whole(of.latency_ms)} ms`],
        ]}
      />
      {of.answer ? (
        <div>
          <h3>The answer's beginning</h3>
          <p class="code">
            <bdi>{visible(of.answer)}</bdi>
          </p>
        </div>
      ) : null}
      {again ? (
        <p>
          <button type="button" onClick={() => again(of.seq, of.until_seq)}>
            Send it once more …
          </button>
        </p>
      ) : null}
    </div>
  );
}

/** One endpoint: how it is, what it was sent, and what admins do with it. */

import { type ComponentChildren, Fragment } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import {
  type Endpoint,
  FORMATS,
  MOST_ATTEMPTS,
  ORDERS,
  oneEndpoint,
  testEndpoint,
} from "../../api/endpoints.ts";
import type { ApiError } from "../../api/http.ts";
import { routeText, setParams } from "../../app/route.ts";
import { can } from "../../app/session.ts";
import { log } from "../../live/log.ts";
import { Choice, chosen } from "../../ui/choice.tsx";
import { Figures } from "../../ui/figures.tsx";
import { useLive } from "../../ui/live.ts";
import { asProblem, useLoaded } from "../../ui/load.ts";
import { Back } from "../../ui/name.tsx";
import { Ago, Chip, Copy, Empty, Facts, Heading, Problem, Shown, Text } from "../../ui/parts.tsx";
import { Table } from "../../ui/table.tsx";
import { oneLine, whole } from "../../ui/text.ts";
import { ago } from "../../ui/time.ts";
import { Attempts, type Listed, useAttempts } from "./attempts.tsx";
import { serverNow, useDue } from "./due.ts";
import { Secret } from "./secret.tsx";
import { nameOf, resultOf, sentenceOf, stateOf, triedNext } from "./state.ts";
import { Asked, type Asking, Steer } from "./steer.tsx";

const SHOW = { recent: "Recent", given: "Given up" } as const;
const ASK_AGAIN_MS = 3_000;
const PATIENCE_MS = 60_000;

export function EndpointPane(props: { id: string }) {
  const { id } = props;
  const loaded = useLoaded((signal) => oneEndpoint(id, signal), [id]);
  const recent = useAttempts(id, "deliveries");
  const given = useAttempts(id, "given-up");
  const [note, setNote] = useState("");
  const [problem, setProblem] = useState<ApiError>();
  const [asking, setAsking] = useState<Asking>();
  const endpoint = loaded.value;
  const showing = chosen("show", ["recent", "given"]);
  const shown = showing === "given" ? given : recent;
  const reload = () => {
    loaded.reload();
    shown.reload();
  };
  // Any event may be sent to it; that it was, no event tells.
  useLive(() => true, reload, loaded.loading || shown.loading);
  useDue(endpoint ? triedNext(endpoint) : "", reload);
  const [testing, setTest] = useTest(recent, reload, setNote);
  const may = can("admin");
  const said = (what: string) => {
    setNote(what);
    setTest(undefined);
    reload();
  };
  const send = () => {
    setNote("");
    setProblem(undefined);
    setParams({ show: undefined }, { replace: true });
    testEndpoint(id).then(
      (event) => setTest({ event, sentAt: Date.now() }),
      (error: unknown) => setProblem(asProblem(error)),
    );
  };
  const became = testing || note;
  return (
    <div class="stack one">
      <Back view="deliveries" title="Deliveries" />
      <Heading title={endpoint ? oneLine(nameOf(endpoint), 200) : "Endpoint"}>
        {endpoint && may ? <Steer of={endpoint} test={send} ask={setAsking} /> : null}
      </Heading>
      <p class={became ? "became" : "unseen"} role="status">
        {became}
      </p>
      {problem ? <Problem error={problem} /> : null}
      <Secret id={id} />
      {loaded.problem?.status === 404 ? (
        <Empty title="There is no such endpoint">
          <p>It may be removed. Is the id whole, and is it of this organization?</p>
        </Empty>
      ) : (
        <>
          <Shown of={loaded} what="the endpoint">
            {(of) => (
              <>
                <Status of={of} />
                <Figures of={figures(of)} />
                <div class="two">
                  <section class="panel">
                    <h2>What it is sent</h2>
                    <Facts of={sent(of)} />
                  </section>
                  <section class="panel">
                    <h2>How it is sent</h2>
                    <Facts of={how(of)} />
                  </section>
                </div>
                <Waiting of={of} />
              </>
            )}
          </Shown>
          {endpoint ? (
            <section class="stack" aria-labelledby="attempts">
              <div class="heading">
                <h2 id="attempts">Attempts</h2>
                <Choice name="show" label="Which attempts" of={SHOW} />
              </div>
              <Attempts
                key={showing}
                of={shown}
                label="Attempts"
                none={
                  showing === "given"
                    ? "Nothing was given up"
                    : "Nothing was sent yet, or nothing that is still listed"
                }
                again={may ? (from, to) => setAsking({ from, to }) : undefined}
              />
            </section>
          ) : null}
        </>
      )}
      {asking && endpoint ? (
        <Asked of={endpoint} asking={asking} done={said} close={() => setAsking(undefined)} />
      ) : null}
    </div>
  );
}

interface Test {
  event: string;
  sentAt: number;
}

/**
 * A test whose outcome is awaited, as a sentence; `told` is told it. No event of the stream tells
 * of it, so the list is read until it is there.
 */
function useTest(
  { items }: { items: readonly Listed[] | undefined },
  reload: () => void,
  told: (said: string) => void,
) {
  const [test, setTest] = useState<Test>();
  const again = useRef(reload);
  again.current = reload;
  const found = test && items?.find((each) => each.event_id === test.event);
  useEffect(() => {
    if (!found) return;
    told(outcomeText(found));
    setTest(undefined);
  }, [found]);
  useEffect(() => {
    if (!test) return;
    const timer = setInterval(() => {
      if (Date.now() - test.sentAt > PATIENCE_MS) {
        told("The test is not sent yet: it may wait behind others. It will stand below.");
        setTest(undefined);
      } else if (!document.hidden) again.current();
    }, ASK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [test]);
  return [test ? "A test is on its way …" : "", setTest] as const;
}

function outcomeText(of: Listed): string {
  const [word, , why] = resultOf(of);
  const told = why ? `${word}: ${why}` : word;
  return of.outcome === "delivered"
    ? `The test arrived: ${told}, after ${whole(of.latency_ms)} ms.`
    : `The test failed: ${told}. What the receiver said stands below.`;
}

function Status(props: { of: Endpoint }) {
  const { of } = props;
  const at = serverNow();
  return (
    <p class="stands">
      <Chip of={stateOf(of, at)} />{" "}
      {of.status === "paused" && of.reason ? <Text>{of.reason}</Text> : null}{" "}
      <span class="soft">{sentenceOf(of, at)}</span>
    </p>
  );
}

function figures(of: Endpoint): [string, ComponentChildren, boolean?][] {
  const waits = of.failing.length;
  return [
    ["Delivered", whole(of.delivered)],
    ["Last delivery", of.last_delivered_at ? <Ago at={of.last_delivered_at} /> : "never"],
    ["Waiting", whole(waits), waits > 0],
    ["Given up", whole(of.given_up), of.given_up > 0],
    [
      "Is at seq",
      <span title={`The ledger ends at ${whole(log.head.value)}`}>{whole(of.through_seq)}</span>,
    ],
  ];
}

function sent(of: Endpoint): [string, ComponentChildren][] {
  const filter = (name: string, value: string | null): [string, ComponentChildren][] =>
    value ? [[name, <Text>{value}</Text>]] : [];
  return [
    ["Types", of.types ? <Text>{of.types.join(", ")}</Text> : "every type"],
    ...filter("Agent", of.agent_id),
    ...filter("Tool", of.tool_name),
    ...filter("Action", of.action),
    ...filter("Anomalies from", of.severity),
    ...filter("Escalations", of.escalation ? "reminders of approvals that nobody answers" : ""),
    ...filter("Links", of.links ? "signed: who reads them can answer approvals" : ""),
    ...of.replays.map(({ id, next_seq, to_seq }): [string, ComponentChildren] => [
      "Once more",
      <Fragment key={id}>
        seq {whole(next_seq)} to {whole(to_seq)}
      </Fragment>,
    ]),
  ];
}

function how(of: Endpoint): [string, ComponentChildren][] {
  return [
    ["URL", <Text>{of.url}</Text>],
    ["Format", FORMATS[of.format]?.title ?? oneLine(of.format, 40)],
    ["Order", `${oneLine(of.order, 40)}: ${ORDERS[of.order] ?? ""}`],
    ...of.public_keys.map((each, index): [string, ComponentChildren] => [
      index === 0 ? "Public key" : "Rotated out",
      <>
        <code class="key">{oneLine(each, 100)}</code> <Copy text={each} label="Copy" />
      </>,
    ]),
    [
      "Changed",
      <>
        <Ago at={of.changed_at} /> by <Text>{of.changed_by}</Text>
      </>,
    ],
    ["Id", <code>{of.id}</code>],
  ];
}

/** What failed and is tried again, the first first. */
function Waiting(props: { of: Endpoint }) {
  const { of } = props;
  if (of.failing.length === 0) return null;
  const at = serverNow();
  const held = of.held_until ?? "";
  const next = (due: string) => {
    if (of.status === "paused") return "once it is resumed";
    const when = held > due ? held : due;
    return Date.parse(when) > at ? ago(when, at) : "now";
  };
  return (
    <section class="stack" aria-labelledby="waiting">
      <h2 id="waiting">Tried again</h2>
      <Table
        label="What is tried again"
        rows={of.failing}
        most={10}
        columns={[
          {
            name: "Seq",
            show: (each) => (
              <a href={routeText("feed", "", { around: String(each.seq) })}>{whole(each.seq)}</a>
            ),
          },
          { name: "Attempts", show: (each) => `${each.attempts} of ${MOST_ATTEMPTS}` },
          {
            name: "First tried",
            show: (each) => (each.first_attempt_at ? <Ago at={each.first_attempt_at} /> : "–"),
          },
          { name: "Next", show: (each) => next(each.next_attempt_at ?? "") },
        ]}
      />
    </section>
  );
}

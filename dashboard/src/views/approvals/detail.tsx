/** One approval: what would run, exactly, and the answer to it. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import {
  type Approval,
  type Listed,
  listWaiting,
  MAX_BULK,
  oneApproval,
} from "../../api/approvals.ts";
import type { ApiError } from "../../api/http.ts";
import { routeText } from "../../app/route.ts";
import { can, org } from "../../app/session.ts";
import { asProblem, useLoaded } from "../../ui/load.ts";
import { Chip, Copy, Empty, Facts, Loading, LongText, Problem, Text } from "../../ui/parts.tsx";
import { count, oneLine, pretty } from "../../ui/text.ts";
import { Compared } from "./compare.tsx";
import { Decide, DecideSeveral } from "./decide.tsx";
import { runOf } from "./rows.ts";
import { Countdown, Since } from "./time.tsx";
import { outcome, readWaiting, sawEnd, secondsLeft, waiting } from "./waiting.ts";

/** `wish` is what a key asked for: `a` or `d`; it is taken once the call is shown. */
export interface Wish {
  key: "a" | "d";
}

/** Longer names stand whole among the facts. */
const NAME_CHARS = 80;

/** What can be an approval's id; another is not even asked for, however long it is. */
const ID = /^\w{1,64}$/;

export function One(props: Parameters<typeof Detail>[0]) {
  return ID.test(props.id) ? <Detail {...props} key={`${org.value} ${props.id}`} /> : <Unknown />;
}

/** Keyed by org and `id`: nothing of one approval is ever shown as another's. */
function Detail(props: { id: string; wish: { current: ((wish: Wish) => void) | null } }) {
  const { id } = props;
  const read = useLoaded((signal) => oneApproval(id, signal), [id, org.value]);
  const told = outcome(id);
  const approval = read.value;
  const [said, setSaid] = useState("");
  const heading = useRef<HTMLHeadingElement>(null);
  const over =
    approval !== undefined && approval.status === "pending" && secondsLeft(approval) <= 0;

  // What the stream tells is read again; so is a call whose time is over here: Tocsin decides.
  useEffect(() => {
    if ((told && approval?.status === "pending") || over) read.reload();
  }, [told, over]);
  useEffect(() => {
    if (approval && approval.status !== "pending") {
      const { status, resolved_by = "", resolved_at = "" } = approval;
      sawEnd({ id, status, by: resolved_by, at: resolved_at });
    }
  }, [approval]);
  useEffect(() => {
    // On a phone the list is not there any more: the keyboard goes on here.
    if (approval && document.activeElement === document.body) heading.current?.focus();
  }, [approval !== undefined]);

  if (!approval) {
    if (read.problem?.status === 404) return <Unknown />;
    return read.problem ? (
      <Problem error={read.problem} retry={read.reload} />
    ) : (
      <Loading what="the call" />
    );
  }
  return (
    <article class="stack" aria-labelledby="call-title">
      <div class="call-head">
        <h2 id="call-title" ref={heading} tabIndex={-1}>
          <Text>{oneLine(approval.tool, NAME_CHARS)}</Text> <span class="soft">by</span>{" "}
          <Text>{oneLine(approval.agent, NAME_CHARS)}</Text>
        </h2>
        <Answering
          approval={approval}
          wish={props.wish}
          done={(what) => {
            setSaid(what);
            read.reload();
          }}
        />
      </div>
      {read.problem ? <Problem error={read.problem} retry={read.reload} /> : null}
      {said ? (
        <p class="said" role="status">
          {said}
        </p>
      ) : null}
      <Call approval={approval} />
      <Compared approval={approval} />
      <Run approval={approval} said={setSaid} />
    </article>
  );
}

/** The buttons; in their place, once it is answered, how and by whom. */
function Answering(props: {
  approval: Approval;
  wish: { current: ((wish: Wish) => void) | null };
  done: (said: string) => void;
}) {
  const { approval, wish } = props;
  const [asking, setAsking] = useState<"a" | "d">();
  const told = outcome(approval.id);
  const pending = approval.status === "pending" && !told;
  const over = pending && secondsLeft(approval) <= 0;
  const may = can("approve");
  wish.current = pending && !over && may ? ({ key }) => setAsking(key) : null;
  useEffect(
    () => () => {
      wish.current = null;
    },
    [],
  );
  return (
    <>
      {pending ? (
        <div class="answering">
          <span role="timer" aria-label="Time left">
            <Countdown call={approval} />
          </span>
          {may ? (
            <>
              <button
                type="button"
                class="primary"
                disabled={over}
                aria-keyshortcuts="a"
                onClick={() => setAsking("a")}
              >
                Approve …
              </button>
              <button
                type="button"
                class="danger"
                disabled={over}
                aria-keyshortcuts="d"
                onClick={() => setAsking("d")}
              >
                Deny …
              </button>
            </>
          ) : (
            <span class="soft">Your key only reads: it can't answer.</span>
          )}
        </div>
      ) : (
        <p class="answering" role="status">
          <Ended approval={approval} />
        </p>
      )}
      {asking ? (
        <Decide
          key={asking}
          approval={approval}
          approved={asking === "a"}
          done={props.done}
          close={() => setAsking(undefined)}
        />
      ) : null}
    </>
  );
}

function Ended(props: { approval: Approval }) {
  const { approval } = props;
  const told = outcome(approval.id);
  const status = approval.status === "pending" ? (told?.status ?? "pending") : approval.status;
  const by = approval.resolved_by ?? told?.by ?? "";
  const at = approval.resolved_at ?? told?.at ?? "";
  return (
    <>
      <Chip of={status} />
      <span>
        {status === "expired" ? (
          "nobody answered in time"
        ) : (
          <>
            by <Text>{by}</Text>
          </>
        )}
        {", "}
        <Since at={at} />
        {approval.persisted ? "; always, for this agent" : ""}
        {approval.resolved_reason ? (
          <>
            {": “"}
            <Text>{approval.resolved_reason}</Text>
            {"”"}
          </>
        ) : null}
      </span>
    </>
  );
}

/** What would run. */
function Call(props: { approval: Approval }) {
  const { approval } = props;
  const facts: [string, ComponentChildren][] = [];
  const add = (name: string, value: string | undefined) => {
    if (value) facts.push([name, <Text key={name}>{value}</Text>]);
  };
  if (approval.tool.length > NAME_CHARS) add("Tool", approval.tool);
  if (approval.agent.length > NAME_CHARS) add("Agent", approval.agent);
  add("The agent's reason", approval.reason);
  add("Path", approval.path);
  add("Working directory", approval.cwd);
  facts.push(["Asked", <Since key="a" at={approval.created_at} />]);
  add("With the key of", approval.credential_owner);
  if (approval.session) {
    facts.push([
      "Session",
      <a key="s" href={routeText("sessions", approval.session)}>
        <Text>{approval.session}</Text>
      </a>,
    ]);
  }
  add("Run", approval.run_id);
  add("Tool call", approval.tool_call_id);
  add("Said to answer", approval.claimed_by);
  add("Link made by", approval.linked_by);
  if (approval.on_expiry === "escalate") add("Without an answer", "reminds twice, then expires");
  return (
    <section class="stack" aria-label="What would run">
      {approval.message ? (
        <p>
          <Text>{approval.message}</Text>
        </p>
      ) : null}
      {approval.command ? (
        <div>
          <h3>Command</h3>
          <LongText label="Command">{approval.command}</LongText>
        </div>
      ) : null}
      {approval.input !== undefined ? (
        <div>
          <h3>Input</h3>
          <LongText label="Input">{pretty(approval.input)}</LongText>
        </div>
      ) : null}
      <Facts of={facts} />
      {approval.sha256 ? (
        <p class="soft digest">
          SHA-256 of the whole call as it was sent (canonical JSON, credentials unmasked):{" "}
          <code>{approval.sha256}</code> <Copy text={approval.sha256} label="Copy" />
        </p>
      ) : null}
    </section>
  );
}

/** The others of its run that wait, to be answered with it. */
function Run(props: { approval: Approval; said: (what: string) => void }) {
  const { approval } = props;
  const run = runOf(approval);
  const mates = run ? waiting.value.filter((each) => runOf(each) === run) : [];
  const [asking, setAsking] = useState<{ calls: [Listed, ...Listed[]]; approved: boolean }>();
  const [problem, setProblem] = useState<ApiError>();
  const [busy, setBusy] = useState(false);
  // The list as it is now: what is asked about is what is answered, whatever comes meanwhile.
  const ask = async (approved: boolean) => {
    setBusy(true);
    setProblem(undefined);
    try {
      const found = (await listWaiting()).filter((each) => runOf(each) === run);
      const [first, ...rest] = found.slice(0, MAX_BULK);
      if (first) setAsking({ calls: [first, ...rest], approved });
      else props.said("None of this run waits any more.");
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  if (mates.length < 2 && !asking) return null;
  return (
    <section class="panel stack" aria-label="Its run">
      <p>{count(mates.length, "call")} of its run wait. They can be answered together.</p>
      {can("approve") ? (
        <div class="actions">
          <button type="button" disabled={busy} onClick={() => void ask(true)}>
            Approve the run …
          </button>
          <button type="button" class="danger" disabled={busy} onClick={() => void ask(false)}>
            Deny the run …
          </button>
        </div>
      ) : null}
      {problem ? <Problem error={problem} /> : null}
      {asking ? (
        <DecideSeveral
          calls={asking.calls}
          approved={asking.approved}
          done={(what) => {
            props.said(what);
            void readWaiting();
          }}
          close={() => setAsking(undefined)}
        />
      ) : null}
    </section>
  );
}

function Unknown() {
  return (
    <Empty title="There is no such call here">
      <p>
        It may be of another organization than {org.value}: choose it at the top right. Approvals
        can be read for 90 days after their end; their events stay in the ledger.
      </p>
    </Empty>
  );
}

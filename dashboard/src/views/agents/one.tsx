/** One agent: who it is, what it used of its budget, and what it did last. */

import { useState } from "preact/hooks";
import { type Agent, budgetOf, eventsOf, oneAgent } from "../../api/agents.ts";
import { routeText } from "../../app/route.ts";
import { can } from "../../app/session.ts";
import { Figures, figuresOf } from "../../ui/figures.tsx";
import { useLive } from "../../ui/live.ts";
import { useLoaded } from "../../ui/load.ts";
import { callsOf } from "../../ui/moment.ts";
import { MomentLinks } from "../../ui/moments.tsx";
import { Back, NameLink } from "../../ui/name.tsx";
import { Ago, Chip, Empty, Facts, Heading, Shown, Text } from "../../ui/parts.tsx";
import { oneLine } from "../../ui/text.ts";
import { BudgetUse } from "./budget.tsx";
import { Retire } from "./retire.tsx";

const LATEST = 50;

export function AgentPane(props: { id: string }) {
  const { id } = props;
  const loaded = useLoaded((signal) => oneAgent(id, signal), [id]);
  const budget = useLoaded((signal) => budgetOf(id, signal), [id]);
  const latest = useLoaded(async (signal) => callsOf(await eventsOf(id, LATEST, signal)), [id]);
  const [note, setNote] = useState("");
  const all = [loaded, budget, latest];
  useLive(
    (event) => event.agent === id,
    () => {
      for (const each of all) each.reload();
    },
    all.some((each) => each.loading),
  );
  const agent = loaded.value;
  const sessions = [...new Set(latest.value?.map((each) => each.session))].filter(Boolean);
  return (
    <div class="stack one">
      <Back view="agents" title="Agents" />
      <Heading title={oneLine(agent?.name || id, 200)}>
        {agent && can("admin") ? (
          <Retire
            agent={agent}
            done={(said) => {
              setNote(said);
              loaded.reload();
            }}
          />
        ) : null}
      </Heading>
      <p class={note ? "became" : "unseen"} role="status">
        {note}
      </p>
      {loaded.problem?.status === 404 && !agent ? (
        <Empty title="No such agent is known">
          <p>
            It is known once an event names it, within seconds, or an admin created it. Is the id
            whole, and is it of this organization?
          </p>
        </Empty>
      ) : (
        <Shown of={loaded} what="the agent">
          {(agent) => (
            <>
              <Status of={agent} />
              <Figures of={figuresOf(agent)} />
              <div class="two">
                <section class="panel">
                  <h2>Profile</h2>
                  <Profile of={agent} />
                </section>
                <section class="panel">
                  <h2>Budget</h2>
                  <Shown of={budget} what="its budget">
                    {(found) => <BudgetUse of={found} agent={id} />}
                  </Shown>
                </section>
              </div>
            </>
          )}
        </Shown>
      )}
      {agent ? (
        <section class="stack">
          <div class="heading">
            <h2>Latest events</h2>
            <a href={routeText("feed", "", { agent: id })}>All of them in the feed</a>
          </div>
          {sessions.length > 0 ? (
            <p class="in-sessions">
              <span class="soft">In the sessions</span>
              {sessions.slice(0, 8).map((each) => (
                <NameLink key={each} view="sessions" id={each} />
              ))}
            </p>
          ) : null}
          <Shown of={latest} what="its events">
            {(moments) =>
              moments.length > 0 ? (
                <MomentLinks of={moments} label="Latest events" />
              ) : (
                <p class="soft">It has sent nothing that is still kept.</p>
              )
            }
          </Shown>
        </section>
      ) : null}
    </div>
  );
}

const MEANING: Partial<Record<Agent["status"], string>> = {
  idle: "not seen for 15 minutes",
  error: "its last event was an error",
  blocked: "its budget is used up",
  retired: "its calls are denied, and what it sends is recorded all the same",
};

function Status(props: { of: Agent }) {
  const { of } = props;
  return (
    <p class="stands">
      <Chip of={of.status} />{" "}
      {of.retired_at ? (
        <>
          <Ago at={of.retired_at} />
          {of.retired_reason ? (
            <>
              : <Text>{of.retired_reason}</Text>
            </>
          ) : null}{" "}
        </>
      ) : null}
      <span class="soft">{MEANING[of.status] ?? ""}</span>
    </p>
  );
}

function Profile(props: { of: Agent }) {
  const { of } = props;
  const labels = Object.entries(of.labels);
  return (
    <Facts
      of={[
        ["Id", <Text>{of.id}</Text>],
        ["Description", of.description ? <Text>{of.description}</Text> : <None />],
        ["Framework", of.framework ? <Text>{of.framework}</Text> : <None />],
        ["Last model", of.last_model_used ? <Text>{of.last_model_used}</Text> : <None />],
        [
          "Labels",
          labels.length > 0 ? (
            <ul class="labels">
              {labels.map(([name, value]) => (
                <li key={name}>
                  <Text>{`${name}=${value}`}</Text>
                </li>
              ))}
            </ul>
          ) : (
            <None />
          ),
        ],
      ]}
    />
  );
}

const None = () => <span class="soft">none</span>;

/** The agents, the newest seen first. */

import { listAgents } from "../../api/agents.ts";
import { org } from "../../app/session.ts";
import { CountedCells, CountedHeads, CountedLine, ShowMore } from "../../ui/figures.tsx";
import { useLive } from "../../ui/live.ts";
import { NameLink, OpenById } from "../../ui/name.tsx";
import { usePages } from "../../ui/pages.ts";
import { Ago, Chip, Empty, Heading, Loading, Problem } from "../../ui/parts.tsx";

export function AgentList() {
  const pages = usePages("agents", listAgents, [org.value]);
  useLive((event) => event.agent !== "", pages.reload, pages.loading);
  return (
    <>
      <Heading title="Agents">
        <OpenById view="agents" label="Agent id" />
      </Heading>
      {pages.problem ? <Problem error={pages.problem} retry={pages.reload} /> : null}
      {pages.items ? (
        pages.items.length > 0 ? (
          <>
            <table class="listed">
              <thead>
                <tr>
                  <th scope="col">Agent</th>
                  <th scope="col">Status</th>
                  <th scope="col">Last seen</th>
                  <CountedHeads />
                </tr>
              </thead>
              <tbody>
                {pages.items.map((each) => (
                  <tr key={each.id}>
                    <td class="of-name">
                      <NameLink view="agents" id={each.id} text={each.name} />
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
            <ShowMore of={pages} what="agents" />
          </>
        ) : (
          <Empty title="No agent is known yet">
            <p>An event that names an agent makes it appear here, within seconds:</p>
            <pre class="code">tocsin send --tool search --agent my-agent</pre>
          </Empty>
        )
      ) : pages.loading ? (
        <Loading what="agents" />
      ) : null}
    </>
  );
}

/** The agents, the newest seen first. */

import { listAgents } from "../../api/agents.ts";
import { CountedList } from "../../ui/counted-list.tsx";

export function AgentList() {
  return (
    <CountedList
      view="agents"
      one="Agent"
      read={listAgents}
      concerns={(event) => event.agent !== ""}
    >
      <p>An event that names an agent makes it appear here, within seconds:</p>
      <pre class="code">tocsin send --tool search --agent my-agent</pre>
    </CountedList>
  );
}

/** Agents: those that are known, and one of them. */

import { route } from "../../app/route.ts";
import { org } from "../../app/session.ts";
import { AgentList } from "./list.tsx";
import { AgentPane } from "./one.tsx";

export function AgentsView() {
  const { id } = route.value;
  const key = `${org.value}/${id}`;
  return id ? <AgentPane key={key} id={id} /> : <AgentList key={key} />;
}

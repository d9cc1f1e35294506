import { Heading } from "../../ui/parts.tsx";

export function AgentsView() {
  return <Heading title="Agents" />;
}

import { Heading } from "../../ui/parts.tsx";

export function SessionsView() {
  return <Heading title="Sessions" />;
}

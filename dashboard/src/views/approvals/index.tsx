import { Heading } from "../../ui/parts.tsx";

export function ApprovalsView() {
  return <Heading title="Approvals" />;
}

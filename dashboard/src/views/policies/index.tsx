import { Heading } from "../../ui/parts.tsx";

export function PoliciesView() {
  return <Heading title="Policies" />;
}

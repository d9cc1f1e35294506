import { Heading } from "../../ui/parts.tsx";

export function VerifyView() {
  return <Heading title="Verify" />;
}

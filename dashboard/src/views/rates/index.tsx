import { Heading } from "../../ui/parts.tsx";

export function RatesView() {
  return <Heading title="Rates" />;
}

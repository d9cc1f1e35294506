import { Heading } from "../../ui/parts.tsx";

export function AnomaliesView() {
  return <Heading title="Anomalies" />;
}

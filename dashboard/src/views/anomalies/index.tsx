/** Anomalies: what was unusual, and what people said of it. */

import { route } from "../../app/route.ts";
import { org } from "../../app/session.ts";
import { AnomalyList } from "./list.tsx";
import { AnomalyPane } from "./one.tsx";

export function AnomaliesView() {
  const { id } = route.value;
  const key = `${org.value}/${id}`;
  return id ? <AnomalyPane key={key} id={id} /> : <AnomalyList key={key} />;
}

/** Deliveries: where events are sent, and one of these endpoints. */

import { route } from "../../app/route.ts";
import { org } from "../../app/session.ts";
import { EndpointList } from "./list.tsx";
import { EndpointPane } from "./one.tsx";

export function DeliveriesView() {
  const { id } = route.value;
  const key = `${org.value}/${id}`;
  return id ? <EndpointPane key={key} id={id} /> : <EndpointList key={key} />;
}

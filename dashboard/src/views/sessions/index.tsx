/** Sessions: those that were seen, and one of them. */

import { route } from "../../app/route.ts";
import { org } from "../../app/session.ts";
import { SessionList } from "./list.tsx";
import { SessionPane } from "./one.tsx";

export function SessionsView() {
  const { id } = route.value;
  const key = `${org.value}/${id}`;
  return id ? <SessionPane key={key} id={id} /> : <SessionList key={key} />;
}

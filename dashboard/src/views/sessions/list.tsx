/** The sessions, the newest seen first. */

import { listSessions } from "../../api/sessions.ts";
import { CountedList } from "../../ui/counted-list.tsx";

export function SessionList() {
  return (
    <CountedList
      view="sessions"
      one="Session"
      read={listSessions}
      concerns={(event) => event.session !== ""}
    >
      <p>An event that names a session makes it appear here, within seconds:</p>
      <pre class="code">tocsin send --tool search --session my-first</pre>
    </CountedList>
  );
}

/** The button that turns notifications on and off; where they can't be, why. */

import { permission, want, wanted } from "./notify.ts";

export function Notifying() {
  switch (permission.value) {
    case "absent":
      return null; // nothing that a person could change here
    case "denied":
      return (
        <details class="notifying">
          <summary>Notifications are blocked</summary>
          <p>
            Your browser does not let this page notify you. Allow it in the site's settings, left of
            the address, then come back.
          </p>
        </details>
      );
    default: {
      const on = wanted.value && permission.value === "granted";
      return (
        <button type="button" aria-pressed={on} onClick={() => void want(!on)}>
          {on ? "Notifications on" : "Notify me"}
        </button>
      );
    }
  }
}

/** What exactly was wrong with what was sent: each field, and why. */

import type { ApiError } from "../api/http.ts";
import { oneLine } from "./text.ts";

export function Details(props: { of: ApiError }) {
  const { details } = props.of;
  if (!Array.isArray(details)) return null;
  return (
    <ul class="details">
      {(details as { field?: unknown; message?: unknown }[]).slice(0, 20).map((each) => (
        <li key={`${each.field}: ${each.message}`}>
          <code>{oneLine(String(each.field ?? ""))}</code>: {oneLine(String(each.message ?? ""))}
        </li>
      ))}
    </ul>
  );
}

/** Times of approvals, by Tocsin's clock. */

import type { Listed } from "../../api/approvals.ts";
import { ago, full } from "../../ui/time.ts";
import { leftText } from "./rows.ts";
import { secondsLeft, serverNow } from "./waiting.ts";

/** The time that is left. */
export function Countdown(props: { call: Listed }) {
  const seconds = secondsLeft(props.call);
  const text = leftText(seconds);
  return (
    <time
      class={seconds < 30 ? "left is-short" : "left"}
      dateTime={props.call.expires_at}
      title={`Until ${full(props.call.expires_at)}`}
    >
      {text || "time is over"}
    </time>
  );
}

export function Since(props: { at: string }) {
  const at = Math.max(serverNow(), Date.parse(props.at) || 0);
  return (
    <time dateTime={props.at} title={full(props.at)}>
      {ago(props.at, at)}
    </time>
  );
}

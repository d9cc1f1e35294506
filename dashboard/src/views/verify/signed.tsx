/** Who signed a checkpoint, to who reads it, and when, where that is said. */

import { Text } from "../../ui/parts.tsx";
import { full } from "../../ui/time.ts";
import type { Point } from "../../verify/checkpoints.ts";

export function Signed(props: { point: Point }) {
  const { standing, by, why } = props.point;
  switch (standing) {
    case "trusted":
      return (
        <span class="is-good">
          by the key that you trust, <Text>{by}</Text>
          {when(props.point)}
        </span>
      );
    case "unasked":
      return <span>not verified: give the key that you trust</span>;
    case "unchecked":
      return (
        <span class="is-warn">
          not verified: this browser has no Ed25519, or this page is not from https. Use{" "}
          <code>tocsin verify</code>, or a newer browser
        </span>
      );
    case "refused":
      return (
        <span class="is-bad">
          <Text>{why}</Text>
        </span>
      );
  }
}

/** The time of a signature, if it says one that there can be. */
function when({ at }: Point): string {
  const time = new Date(at * 1_000);
  return at > 0 && !Number.isNaN(time.getTime()) ? `, on ${full(time.toISOString())}` : "";
}

/** Computing the org's chain again, in this browser. */

import { useEffect } from "preact/hooks";
import { route, setParams } from "../../app/route.ts";
import { org } from "../../app/session.ts";
import { Heading } from "../../ui/parts.tsx";
import { parseNotes, parseRange } from "../../verify/notes.ts";
import { run, start } from "../../verify/run.ts";
import { Checkpoints } from "./checkpoints.tsx";
import { Limits } from "./limits.tsx";
import { Order } from "./order.tsx";
import { Outcome } from "./outcome.tsx";

export function VerifyView() {
  const { params } = route.value;
  const once = params.start === "1";
  useEffect(() => {
    if (!once) return;
    setParams({ start: undefined }, { replace: true });
    if (run.value?.phase === "running") return;
    try {
      const { from, to } = parseRange(params.from ?? "", params.to ?? "");
      start(from, to, parseNotes(params.trust ?? "", org.value));
    } catch {
      // The form says what is wrong with it.
    }
  }, [once]);
  return (
    <>
      <Heading title="Verify" />
      <p class="lead soft">
        Hash the stored events again, here in this browser, and see whether they are what was
        sealed: unchanged, in their order, none added and none removed; and whether that is what was
        signed.
      </p>
      <div class="verifying">
        <div class="stack">
          <Order />
          <Checkpoints />
          <Outcome />
        </div>
        <Limits />
      </div>
    </>
  );
}

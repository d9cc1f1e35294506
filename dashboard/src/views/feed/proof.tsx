/** The proof that an event is in the log: checked here, and to keep. */

import { useState } from "preact/hooks";
import { fieldsOf, type LoggedEvent } from "../../api/events.ts";
import { eventProof } from "../../api/evidence.ts";
import { routeText } from "../../app/route.ts";
import { org } from "../../app/session.ts";
import { Text } from "../../ui/parts.tsx";
import { count, visible } from "../../ui/text.ts";
import { checkProof, type Shown } from "../../verify/proofs.ts";
import { trustedKeys } from "../../verify/trust.ts";
import { Signed } from "../verify/signed.tsx";

export function Proof(props: { of: LoggedEvent }) {
  const { of } = props;
  const [shown, setShown] = useState<Shown>();
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const prove = async () => {
    setBusy(true);
    setShown(undefined);
    setWrong("");
    try {
      const bytes = await eventProof(of.id);
      save(bytes, `${org.value}-${of.seq}.tlog-proof`);
      setShown(
        await checkProof(bytes, { seq: of.seq, fields: fieldsOf(of) }, org.value, trustedKeys()),
      );
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <div class="actions">
        <a
          href={`/v1/log/proof?id=${encodeURIComponent(of.id)}`}
          download={`${org.value}-${of.seq}.tlog-proof`}
          aria-disabled={busy}
          onClick={(event) => {
            event.preventDefault(); // what is saved is what is checked
            if (!busy) void prove();
          }}
        >
          Proof
        </a>
      </div>
      <p class="proved" role="status">
        {shown ? <Result of={shown} /> : null}
      </p>
      <p class="wrong" role="alert">
        {wrong ? `Not proved: ${visible(wrong)}` : ""}
      </p>
    </>
  );
}

function Result(props: { of: Shown }) {
  const { point, hashes } = props.of;
  return (
    <>
      The event leads by {count(hashes, "hash", "hashes")} to the root of a checkpoint of{" "}
      {count(point.size, "event")} of <Text>{point.origin}</Text>. Signed: <Signed point={point} />
      {point.standing === "unasked" ? (
        <>
          {" "}
          in <a href={routeText("verify")}>Verify</a>
        </>
      ) : null}
      .
    </>
  );
}

/** Give bytes to keep as a file. */
function save(bytes: Uint8Array<ArrayBuffer>, name: string): void {
  const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

/** A call beside the last one of the same tool that was approved. */

import { useMemo, useState } from "preact/hooks";
import { type Approval, lastApproved } from "../../api/approvals.ts";
import { routeText } from "../../app/route.ts";
import { useLoaded } from "../../ui/load.ts";
import { Shown, Text } from "../../ui/parts.tsx";
import { count, pretty, visible, whole } from "../../ui/text.ts";
import { differences, hunks, type Line } from "./diff.ts";
import { Since } from "./time.tsx";

const SHOWN_LINES = 200;
/** Of a long line, as much is shown around what differs, and of that at most. */
const AROUND_CHARS = 120;
const SHOWN_CHARS = 4_000;

export function Compared(props: { approval: Approval }) {
  const { approval } = props;
  // What was approved last does not change what this call is: it is read once.
  const last = useLoaded(
    (signal) => lastApproved(approval, signal).then((found) => ({ found })),
    [approval.id],
  );
  return (
    <section class="stack compared">
      <h3>Compared with the last call of this tool that was approved</h3>
      <Shown of={last} what="the last one">
        {({ found }) =>
          found ? (
            <Differences before={found} now={approval} />
          ) : (
            <p class="soft">None is kept: there is nothing to compare it with.</p>
          )
        }
      </Shown>
    </section>
  );
}

function Differences(props: { before: Approval; now: Approval }) {
  const { before, now } = props;
  const [all, setAll] = useState(false);
  const lines = useMemo(() => hunks(differences(callText(before), callText(now))), [before, now]);
  const shown = all ? lines : lines.slice(0, SHOWN_LINES);
  const equal = lines.every((line) => typeof line === "number" || line.kind === "same");
  return (
    <>
      <p class="soft">
        <a href={routeText("approvals", before.id)}>That one</a> was approved{" "}
        <Since at={before.resolved_at ?? ""} /> by <Text>{before.resolved_by ?? ""}</Text>, for{" "}
        <Text>{before.agent}</Text>.{" "}
        {equal ? "This one does the same, apart from what is masked." : ""}
      </p>
      {equal ? null : (
        <div class="diff mono">
          {shown.map((line, index) => (
            <DiffLine key={index} line={line} />
          ))}
        </div>
      )}
      {shown.length < lines.length ? (
        <button type="button" onClick={() => setAll(true)}>
          Show all {whole(lines.length)} lines
        </button>
      ) : null}
    </>
  );
}

function DiffLine(props: { line: Line | number }) {
  const { line } = props;
  if (typeof line === "number") {
    return <p class="diff-cut soft">{count(line, "line")} the same</p>;
  }
  const sign = { same: " ", gone: "−", new: "+" }[line.kind];
  const name = { same: "", gone: "Before: ", new: "Now: " }[line.kind];
  const middle = line.text.slice(line.from, line.to);
  const Part = line.kind === "gone" ? "del" : "ins";
  return (
    <p class={`diff-line is-${line.kind}`}>
      <span aria-hidden="true">{sign}</span>
      <span class="unseen">{name}</span>
      <bdi>
        {line.kind === "same" ? (
          visible(headOf(line.text, SHOWN_CHARS))
        ) : (
          <>
            {visible(tailOf(line.text.slice(0, line.from), AROUND_CHARS))}
            <Part>{visible(headOf(middle, SHOWN_CHARS))}</Part>
            {visible(headOf(line.text.slice(line.to), AROUND_CHARS))}
          </>
        )}
      </bdi>
    </p>
  );
}

function headOf(text: string, chars: number): string {
  if (text.length <= chars) return text;
  return `${text.slice(0, chars)} … ${whole(text.length - chars)} more characters`;
}

function tailOf(text: string, chars: number): string {
  return text.length <= chars ? text : `… ${text.slice(-chars)}`;
}

/** What a call does, without who asks for it; a line each for the lines of its command. */
function callText(call: Approval): string {
  return pretty({
    command: call.command.includes("\n") ? call.command.split("\n") : call.command || undefined,
    path: call.path || undefined,
    cwd: call.cwd || undefined,
    input: call.input,
  });
}

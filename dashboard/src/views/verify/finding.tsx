/** What was found, as loudly as it deserves, and what to do next. */

import type { ComponentChildren } from "preact";
import { route, routeText } from "../../app/route.ts";
import { Facts, Text } from "../../ui/parts.tsx";
import { whole } from "../../ui/text.ts";
import { full } from "../../ui/time.ts";
import type { Fault } from "../../verify/chain.ts";
import { type Run, run } from "../../verify/run.ts";

export function Finding(props: { fault: Fault; run: Run }) {
  const { fault, run: of } = props;
  const { title, says } = told(fault);
  return (
    <div class="finding" role="alert">
      <h2>{title}</h2>
      <p>{says}</p>
      <Facts of={compared(fault)} />
      <p>
        {of.events > 0
          ? `Events ${whole(of.from)} to ${whole(of.seq)} follow from each other. `
          : ""}
        Keep this page open and write down the first bad seq. Run <code>tocsin verify</code> from
        another machine: if all of it holds there, something between Tocsin and this browser changes
        what it sends. Then compare with an export, or with a head that was noted earlier.
      </p>
      <p>
        <a href={routeText("feed", "", { around: String(fault.seq) })}>
          The events around {whole(fault.seq)}
        </a>
      </p>
    </div>
  );
}

function told(fault: Fault): { title: string; says: string } {
  const at = whole(fault.seq);
  switch (fault.kind) {
    case "changed":
      return {
        title: `Event ${at} was changed`,
        says: "Its bytes don't lead to the hash that it was sealed with.",
      };
    case "unlinked":
      return {
        title: `Event ${at} does not follow from the one before it`,
        says: "One of the two was changed, or events were reordered, inserted or removed here.",
      };
    case "gap":
      return {
        title: `Event ${at} is missing`,
        says: `Event ${fault.found} came in its place: events were removed or reordered here.`,
      };
    case "repeated":
      return {
        title: `Event ${at} is not where it belongs`,
        says: `Event ${fault.found} came in its place: events were repeated or reordered here.`,
      };
    case "unreadable":
      return {
        title: `What came for event ${at} is no event`,
        says: "The answer is not what Tocsin's ledger looks like: something rewrites it on the way, or where it is stored.",
      };
    case "other":
      return {
        title: `The past up to event ${at} was rewritten`,
        says: `All of it follows from each other, but it is another chain than the one that ${source(fault)}.`,
      };
    case "ended":
      return {
        title: `The ledger's end is missing from event ${at} on`,
        says: fault.note
          ? `It ends at ${whole(Number(fault.found))}, and ${source(fault)} goes on to ${whole(fault.note.seq)}.`
          : `It ends at ${whole(Number(fault.found))}, and this page was shown events up to ${whole(Number(fault.expected))}.`,
      };
    case "refused":
      return {
        title: `Event ${at} is not what was sealed`,
        says: "Tocsin found it itself, and does not give out what it can't vouch for.",
      };
  }
}

function source({ note }: Fault): string {
  return note?.at ? `this browser verified on ${full(note.at)}` : "was noted";
}

function compared(fault: Fault): [string, ComponentChildren][] {
  const rows: [string, string][] =
    fault.kind === "refused"
      ? [["Tocsin says", fault.found]]
      : fault.kind === "unreadable"
        ? [["What came", fault.found]]
        : fault.kind === "ended"
          ? []
          : [
              ["Expected", fault.expected],
              ["Found", fault.found],
            ];
  return [["First bad seq", String(fault.seq)], ...rows].map(([name, value]) => [
    name ?? "",
    <span key={name} class="mono">
      <Text>{value ?? ""}</Text>
    </span>,
  ]);
}

/** In every other view: what was found is not for one of them alone. */
export function Tampered() {
  const { fault } = run.value ?? {};
  if (!fault || route.value.view === "verify") return null;
  return (
    <div class="tampered" role="alert">
      {told(fault).title}
      <a href={routeText("verify")}>What was found</a>
    </div>
  );
}

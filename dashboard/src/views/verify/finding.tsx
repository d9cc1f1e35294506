/** What was found, as loudly as it deserves, and what to do next. */

import type { ComponentChildren } from "preact";
import { route, routeText } from "../../app/route.ts";
import { Facts, Text } from "../../ui/parts.tsx";
import { whole } from "../../ui/text.ts";
import { full } from "../../ui/time.ts";
import type { Fault } from "../../verify/chain.ts";
import { rootText } from "../../verify/checkpoints.ts";
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
        Keep this page open and write down what it says. Run <code>tocsin verify</code> from another
        machine: if all of it holds there, something between Tocsin and this browser changes what it
        sends. Then compare with an export, or with a head that was noted earlier.
      </p>
      {fault.seq > 0 ? (
        <p>
          <a href={routeText("feed", "", { around: String(fault.seq) })}>
            The events around {whole(fault.seq)}
          </a>
        </p>
      ) : null}
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
          : fault.point
            ? `It ends at ${whole(Number(fault.found))}, and ${checkpoint(fault)} covers events up to ${whole(fault.point.size)}.`
            : `It ends at ${whole(Number(fault.found))}, and this page was shown events up to ${whole(Number(fault.expected))}.`,
      };
    case "refused":
      return {
        title: `Event ${at} is not what was sealed`,
        says: "Tocsin found it itself, and does not give out what it can't vouch for.",
      };
    case "rewritten": {
      const to = whole(fault.point?.size ?? fault.seq);
      return {
        title: `Something in events ${at} to ${to} was rewritten`,
        says:
          fault.seq > 1
            ? `All of it follows from each other, and is what was signed up to ${whole(fault.seq - 1)}; but it is not what ${checkpoint(fault)} says of ${to} events.`
            : `All of it follows from each other, but it is not what ${checkpoint(fault)} says of ${to} events.`,
      };
    }
    case "unsigned":
      return {
        title: fault.point?.given
          ? "A checkpoint that you kept is not signed by a key that you trust"
          : "The last checkpoint is not signed by a key that you trust",
        says: `${fault.found} Whoever shows you this log has another key, or the checkpoint was changed: find out which before you trust any of it.`,
      };
  }
}

function checkpoint({ point }: Fault): string {
  return point?.given ? "a checkpoint that you kept" : "the log's last checkpoint";
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
        : fault.kind === "ended" || fault.kind === "unsigned"
          ? []
          : [
              ["Expected", shown(fault, fault.expected)],
              ["Found", shown(fault, fault.found)],
            ];
  if (fault.point?.origin) rows.push(["Log", fault.point.origin]);
  const first =
    fault.kind === "rewritten" ? "First seq in doubt" : fault.seq > 0 ? "First bad seq" : "";
  return [...(first ? [[first, String(fault.seq)]] : []), ...rows].map(([name, value]) => [
    name ?? "",
    <span key={name} class="mono">
      <Text>{value ?? ""}</Text>
    </span>,
  ]);
}

/** Roots are written as checkpoints have them. */
function shown({ kind }: Fault, hash: string): string {
  return kind === "rewritten" ? rootText(hash) : hash;
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

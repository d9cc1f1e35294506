/** How far it is, what came of it, and the figures. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { org } from "../../app/session.ts";
import { log } from "../../live/log.ts";
import { Ask, Copy, Empty, Facts } from "../../ui/parts.tsx";
import { count, visible, whole } from "../../ui/text.ts";
import { full, span } from "../../ui/time.ts";
import { type Point, rootText } from "../../verify/checkpoints.ts";
import { type Note, noteText } from "../../verify/notes.ts";
import { forget, goOn, type Run, remembered, run } from "../../verify/run.ts";
import { Finding } from "./finding.tsx";
import { Signed } from "./signed.tsx";

export function Outcome() {
  const now = run.value;
  return (
    <>
      {now ? (
        <section class={`panel outcome is-${now.phase}`} aria-label="Result">
          <Verdict of={now} />
          {now.phase === "running" ? <Bar of={now} /> : null}
          <Figures of={now} />
          <Facts of={facts(now)} />
        </section>
      ) : (
        <Empty title="Nothing verified yet">
          <p>
            “Verify” reads every event of this organization once, about half a gigabyte a million.
            It goes on while you are in other views.
          </p>
        </Empty>
      )}
      {remembered.value ? <Memory /> : null}
    </>
  );
}

function Verdict(props: { of: Run }) {
  const { of } = props;
  switch (of.phase) {
    case "running":
      return (
        <h2>
          {of.waiting ? "Waiting" : "Verifying …"}
          {of.waiting ? (
            <small role="status"> {visible(of.waiting)} It is asked again.</small>
          ) : null}
        </h2>
      );
    case "found":
      return of.fault ? <Finding fault={of.fault} run={of} /> : null;
    case "paused":
      return (
        <div role="status">
          <h2>Paused at {whole(of.seq)}</h2>
        </div>
      );
    case "failed":
      return (
        <div role="alert">
          <h2>Not finished: verified up to {whole(of.seq)}</h2>
          <p>
            {visible(of.trouble)} “Go on” begins after {whole(of.seq)}.
          </p>
        </div>
      );
    case "verified":
      return <Verified of={of} />;
  }
}

function Verified(props: { of: Run }) {
  const { of } = props;
  const newer = of.to === undefined ? log.head.value - of.seq : 0;
  if (of.events === 0) {
    return (
      <div role="status">
        <h2>There is no event from {whole(of.from)} on: nothing was verified</h2>
      </div>
    );
  }
  return (
    <div class="holds" role="status">
      <h2>
        {of.events === 1 ? "The event holds" : `All ${whole(of.events)} events hold`}
        {newer > 0 ? (
          <button type="button" class="quiet" onClick={goOn}>
            Go on with {count(newer, "newer event")}
          </button>
        ) : null}
      </h2>
      {of.to !== undefined && of.seq < of.to ? (
        <p>
          The ledger ends at {whole(of.seq)}, before the {whole(of.to)} that you asked for.
        </p>
      ) : null}
      <p>{meaning(of)}</p>
      <p>{covered(of)}</p>
    </div>
  );
}

/** What the events that hold are tied to. */
function meaning(of: Run): string {
  const held = of.notes.filter((note) => reached(of, note));
  if (held.length > 0)
    return "They follow from each other, and lead through what was noted of them.";
  if (of.from === 1) return "They follow from each other, from this organization's first one on.";
  return `They follow from each other. The hash before ${whole(of.from)} was taken as Tocsin gave it: what came before is not verified. Begin with 1, or with a seq that you noted.`;
}

/** How far what was signed reaches. */
function covered(of: Run): string {
  const held = of.points.filter(({ holds }) => holds).sort((a, b) => b.size - a.size);
  const signed = held.find(({ standing }) => standing === "trusted");
  const point = signed ?? held[0];
  if (!point) return "No checkpoint was reached: the events are held by the chain alone.";
  const so = signed
    ? `Up to ${whole(point.size)} they are what was signed by the key that you trust.`
    : `Up to ${whole(point.size)} they are what a checkpoint says, whose signature was not verified.`;
  if (of.seq <= point.size) return so;
  const rest = of.seq === point.size + 1 ? "Event" : `Events ${whole(point.size + 1)} to`;
  return `${so} ${rest} ${whole(of.seq)}: held by the chain alone.`;
}

function Bar(props: { of: Run }) {
  const { of } = props;
  const last = of.to ?? Math.max(log.head.value, of.seq);
  const all = Math.max(last - of.from + 1, 1);
  const done = Math.min(of.seq - of.from + 1, all);
  return (
    <div class="bar-of">
      <progress aria-label="Verified" max={all} value={done} />
      <span>
        {whole(of.seq)} of {whole(last)}
      </span>
    </div>
  );
}

function Figures(props: { of: Run }) {
  const { events, bytes, ms } = props.of;
  const figures: [string, string][] = [
    ["events", whole(events)],
    ["MB hashed", (bytes / 1e6).toFixed(1)],
    ["time", ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : span(ms / 1_000)],
    ["events a second", ms > 0 ? whole(Math.round((events * 1_000) / ms)) : "0"],
  ];
  return (
    <dl class="figures">
      {figures.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function facts(of: Run): [string, ComponentChildren][] {
  const rows: [string, ComponentChildren][] = [
    ["Organization", of.org],
    ["Verified", of.events > 0 ? `${whole(of.from)} to ${whole(of.seq)}` : "nothing"],
  ];
  if (of.leaves > 0) {
    rows.push([
      "Hashes alone",
      `${count(of.leaves, "event")}: older than the retention, so what they said can't be seen any more, only that nothing else stands in their place`,
    ]);
  }
  if (of.from > 1 && of.before) {
    rows.push([`Hash before ${whole(of.from)}`, <code key="before">{of.before}</code>]);
  }
  if (of.events > 0 && of.phase !== "running") {
    const head = { seq: of.seq, hash: of.hash };
    rows.push([
      `Hash of ${whole(of.seq)}`,
      <>
        <code>{of.hash}</code>
        <Copy key={of.hash} text={noteText(of.org, head)} label="Copy this head" />
      </>,
    ]);
  }
  for (const note of of.notes) {
    rows.push([
      note.at ? "This browser's last" : "A note",
      <Checked key={note.hash} note={note} of={of} />,
    ]);
  }
  let kept = 0; // rows are told apart by their names
  for (const point of of.points) {
    if (point.given) kept++;
    rows.push([
      point.given ? `A kept checkpoint (${kept})` : "The last checkpoint",
      <Passed key={point.root} point={point} of={of} />,
    ]);
  }
  if (of.unsigned) rows.push(["The last checkpoint", visible(of.unsigned)]);
  if (of.at) rows.push([of.phase === "paused" ? "Paused" : "Ended", full(of.at)]);
  return rows;
}

function Checked(props: { note: Note; of: Run }) {
  const { note, of } = props;
  const broken = of.fault?.note?.seq === note.seq && of.fault.note.hash === note.hash;
  const place = `${whole(note.seq)}:${note.hash.slice(0, 12)}…`;
  if (broken) return <span class="is-bad">{place} the chain does not go through it</span>;
  if (reached(of, note)) return <span class="is-good">{place} the chain goes through it</span>;
  return <span>{place} not reached</span>;
}

/** Whether the tree goes through a checkpoint, and who signed it. */
function Passed(props: { point: Point; of: Run }) {
  const { point, of } = props;
  if (point.standing === "refused") return <Signed point={point} />;
  const place = `${whole(point.size)} events, ${rootText(point.root).slice(0, 12)}…`;
  const is = of.fault?.kind === "rewritten" && of.fault.point?.root === point.root;
  return (
    <>
      {is ? (
        <span class="is-bad">{place} the ledger does not lead to it</span>
      ) : point.holds ? (
        <span class="is-good">{place} the ledger leads to it</span>
      ) : (
        <span>
          {place} {notHeld(of, point)}
        </span>
      )}
      . Signed: <Signed point={point} />
    </>
  );
}

function notHeld(of: Run, point: Point): string {
  if (of.from > 1) return "not held against: that takes every event from the first on";
  if (of.events > 0 && point.size <= of.seq) {
    return "not held against: it was made after these events were hashed, so verify once more";
  }
  return "not reached";
}

/** Whether the verified part of the chain leads through a note's place. */
function reached(of: Run, note: Note): boolean {
  return of.events > 0 && of.from - 1 <= note.seq && note.seq <= of.seq;
}

function Memory() {
  const [asking, setAsking] = useState(false);
  const head = remembered.value;
  if (!head) return null;
  return (
    <section class="panel memory" aria-label="What this browser verified last">
      <h2>What this browser verified last</h2>
      <p>
        Event {whole(head.seq)}, on {full(head.at)}. Whoever rewrites anything up to it, or cuts the
        ledger's end off before it, is found by the next verification that reaches it.
      </p>
      <div class="actions">
        <Copy key={head.hash} text={noteText(org.value, head)} label="Copy as a note" />
        <button type="button" class="quiet" onClick={() => setAsking(true)}>
          Forget it
        </button>
      </div>
      {asking ? (
        <Ask
          title="Forget what this browser verified?"
          button="Forget it"
          danger
          submit={async () => forget()}
          close={() => setAsking(false)}
        >
          <p>
            Do it only if you know that this ledger was made anew, as a local Tocsin's is whose home
            was deleted. The last result goes, too.
          </p>
        </Ask>
      ) : null}
    </section>
  );
}

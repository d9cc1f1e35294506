import { type Key, keyState, listKeys, readUsage } from "../../api/keys.ts";
import { can, org } from "../../app/session.ts";
import { useLoaded } from "../../ui/load.ts";
import { Ago, Chip, Copy, Empty, Heading, Shown, Text } from "../../ui/parts.tsx";
import { type Column, Table } from "../../ui/table.tsx";
import { oneLine, whole } from "../../ui/text.ts";
import { day, full, now } from "../../ui/time.ts";

export function KeysView() {
  return (
    <>
      <Heading title="Keys and usage" />
      <div class="stack">
        <section class="panel stack" aria-labelledby="usage">
          <h2 id="usage">Usage</h2>
          <Quota />
        </section>
        <section class="panel stack" aria-labelledby="keys">
          <h2 id="keys">Keys</h2>
          {can("admin") ? (
            <Keys />
          ) : (
            <Empty title="Keys are shown to admins">
              <p>
                Your key does not have the scope <code>admin</code>. Ask whoever runs Tocsin, or
                sign in with a key that has it.
              </p>
            </Empty>
          )}
          <Commands />
        </section>
      </div>
    </>
  );
}

function Quota() {
  const usage = useLoaded(readUsage, [org.value]);
  return (
    <Shown of={usage} what="usage">
      {({ month, quota, used, left }) => {
        const share = quota > 0 ? used / quota : 1;
        return (
          <div class="stack quota">
            <p>
              <strong>{whole(used)}</strong> of {whole(quota)} events in {month}
              {left === 0 ? "; no more are taken" : `; ${whole(left)} are left`}
              <span class="soft"> ({new Intl.NumberFormat("en-US", PERCENT).format(share)})</span>
            </p>
            <meter
              aria-label="Share of the month's quota that is used"
              min={0}
              max={1}
              low={0.8}
              high={0.95}
              optimum={0}
              value={Math.min(share, 1)}
            />
            <p class="soft">
              Months are UTC's: the next begins {full(nextMonth(month))}. Whoever runs Tocsin
              changes the quota: <code>tocsin orgs limit {org.value} --events-per-month N</code>
            </p>
          </div>
        );
      }}
    </Shown>
  );
}

const PERCENT: Intl.NumberFormatOptions = { style: "percent", maximumFractionDigits: 1 };

function nextMonth(month: string): string {
  const [year = 0, number = 0] = month.split("-").map(Number);
  return new Date(Date.UTC(year, number)).toISOString();
}

function Keys() {
  const keys = useLoaded(listKeys, [org.value]);
  return (
    <Shown of={keys} what="keys">
      {(all) => (
        <Table
          label="The org's keys"
          rows={all}
          columns={COLUMNS}
          order={{ name: "Created", down: true }}
        />
      )}
    </Shown>
  );
}

const COLUMNS: Column<Key>[] = [
  {
    name: "Key",
    show: (key) => (
      <>
        <code>{key.id}</code> <Text>{oneLine(key.name)}</Text>
      </>
    ),
    by: (key) => key.name,
  },
  { name: "State", show: (key) => <State of={key} />, by: (key) => keyState(key, now.value) },
  {
    name: "May",
    show: (key) => (
      <>
        {key.scopes.join(", ")}
        {key.types ? <span class="soft"> {oneLine(key.types.join(", "))}</span> : null}
      </>
    ),
  },
  { name: "Whose", show: (key) => <Whose of={key} />, by: (key) => key.person ?? key.agent ?? "" },
  {
    name: "Delegated from",
    show: (key) => (key.delegated_by ? <code>{key.delegated_by}</code> : "–"),
    by: (key) => key.delegated_by ?? "",
  },
  {
    name: "Created",
    show: (key) => <time title={full(key.created_at)}>{day(key.created_at)}</time>,
    by: (key) => key.created_at,
  },
  {
    name: "Ends",
    show: (key) => (key.expires_at ? <Ago at={key.expires_at} /> : "never"),
    by: (key) => key.expires_at ?? "9999",
  },
];

function State(props: { of: Key }) {
  const state = keyState(props.of, now.value);
  return (
    <>
      <Chip of={state} />
      {props.of.revoked_at ? (
        <>
          {" "}
          <Ago at={props.of.revoked_at} />
        </>
      ) : null}
    </>
  );
}

function Whose(props: { of: Key }) {
  const { person, agent } = props.of;
  if (!person && !agent) return <>–</>;
  return (
    <>
      {person ? <Text>{oneLine(person)}</Text> : null}
      {agent ? (
        <span>
          {" "}
          agent <Text>{oneLine(agent)}</Text>
        </span>
      ) : null}
    </>
  );
}

function Commands() {
  const of = `--org ${org.value}`;
  return (
    <details>
      <summary>How to make, rotate and revoke keys</summary>
      <p class="soft">This page changes none. Where Tocsin runs, the command line does:</p>
      <ul class="commands">
        {[
          `tocsin keys create ${of} --scope read --scope approve --person YOU`,
          `tocsin keys rotate ${of} KEY`,
          `tocsin keys revoke ${of} KEY`,
        ].map((command) => (
          <li key={command}>
            <code>{command}</code> <Copy text={command} label="Copy" />
          </li>
        ))}
      </ul>
      <p class="soft">
        With a key of your own you can delegate a part of what it may:{" "}
        <code>tocsin keys delegate --scope read</code>
      </p>
    </details>
  );
}

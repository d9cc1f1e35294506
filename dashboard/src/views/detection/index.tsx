import { type Detection, type Hours, readDetection } from "../../api/detection.ts";
import { can, org } from "../../app/session.ts";
import { useLoaded } from "../../ui/load.ts";
import { Ago, Chip, Facts, Heading, Shown, Text } from "../../ui/parts.tsx";
import { Table } from "../../ui/table.tsx";
import { oneLine, whole } from "../../ui/text.ts";
import { DryRun } from "./dry-run.tsx";

const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

export function DetectionView() {
  const detection = useLoaded(readDetection, [org.value]);
  return (
    <>
      <Heading title="Detection" />
      <Shown of={detection} what="how the org is watched">
        {(now) => (
          <div class="stack">
            <DryRun now={now} />
            <Watched now={now} />
          </div>
        )}
      </Shown>
    </>
  );
}

function Watched(props: { now: Detection }) {
  const { now } = props;
  return (
    <section class="panel stack" aria-labelledby="watched">
      <h2 id="watched">How this org is watched</h2>
      <Facts
        of={[
          ["Detection", now.enabled ? "on" : "off: nothing is looked at"],
          ["False alerts", `up to ${whole(now.false_alerts_per_day)} a day by chance`],
          ["At work", now.hours ? hoursText(now.hours) : "learned: when the org is not quiet"],
          [
            "Suspends",
            now.suspend_from
              ? `the session that an alert names, from ${now.suspend_from} on`
              : "no session",
          ],
          [
            "Set",
            now.set_by && now.set_at ? (
              <>
                <Ago at={now.set_at} /> by <Text>{oneLine(now.set_by)}</Text>
              </>
            ) : (
              "by nobody: these are the usual settings"
            ),
          ],
        ]}
      />
      <Table
        label="Kinds of anomalies"
        rows={now.known_kinds}
        columns={[
          { name: "Kind", show: (kind) => <code>{kind.kind}</code>, by: (kind) => kind.kind },
          { name: "Severity", show: (kind) => <Chip of={kind.severity} /> },
          { name: "Told", show: (kind) => (kind.on ? "yes" : "no"), by: (kind) => Number(kind.on) },
          { name: "When", show: (kind) => kind.says },
          {
            name: "How",
            show: (kind) => (kind.budgeted ? "by chance" : "by a rule"),
          },
        ]}
      />
      <p class="soft">
        {can("admin") ? "Change it" : "An admin changes it"} with{" "}
        <code>tocsin detection set --false-alerts-per-day 5</code>; what is not given stays. Try it
        out above first.
      </p>
    </section>
  );
}

function hoursText(hours: Hours): string {
  const days = hours.days.map((each) => DAYS[each] ?? each).join(", ");
  return oneLine(`${hours.from} to ${hours.to}, ${days} (${hours.time_zone})`);
}

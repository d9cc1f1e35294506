import type { ComponentChildren } from "preact";
import { readPolicies } from "../../api/policies.ts";
import { route, setParams } from "../../app/route.ts";
import { org } from "../../app/session.ts";
import { useLoaded } from "../../ui/load.ts";
import { Ago, Copy, Facts, Heading, LongText, Shown, Text } from "../../ui/parts.tsx";
import { oneLine, whole } from "../../ui/text.ts";
import { Trial } from "./trial.tsx";

export function PoliciesView() {
  const asked = route.value.params.version ?? "";
  const current = useLoaded((signal) => readPolicies(undefined, signal), [org.value]);
  const earlier = useLoaded(
    async (signal) => (asked ? await readPolicies(Number(asked), signal) : null),
    [org.value, asked],
  );
  return (
    <>
      <Heading title="Policies" />
      <Shown of={current} what="policies">
        {(inForce) => (
          <div class="stack">
            <section class="panel stack" aria-labelledby="try">
              <h2 id="try">Try calls</h2>
              <Trial inForce={inForce.policies} />
            </section>
            <section class="panel stack" aria-labelledby="text">
              <header class="heading">
                <h2 id="text">{asked ? `Version ${oneLine(asked, 20)}` : "In force"}</h2>
                <Versions last={inForce.version} asked={asked} />
              </header>
              <Shown of={earlier} what="that version">
                {(other) => {
                  const shown = other ?? inForce;
                  return (
                    <>
                      <Facts
                        of={[
                          [
                            "Version",
                            shown.version === 0
                              ? "0, which comes with Tocsin"
                              : whole(shown.version),
                          ],
                          ["Policies", whole(shown.count)],
                          ...made(shown),
                        ]}
                      />
                      <LongText label="The policies, in Cedar">{shown.policies}</LongText>
                      <div class="actions">
                        <Copy text={shown.policies} label="Copy the text" />
                      </div>
                    </>
                  );
                }}
              </Shown>
              <p class="soft">
                This page changes none. Admins do, with a file:{" "}
                <code>tocsin policy put FILE --version {inForce.version}</code>
              </p>
            </section>
          </div>
        )}
      </Shown>
    </>
  );
}

function made(of: { created_at?: string; created_by?: string }): [string, ComponentChildren][] {
  if (!of.created_at) return [];
  return [
    ["Since", <Ago key="at" at={of.created_at} />],
    ["By", <Text key="by">{of.created_by ?? ""}</Text>],
  ];
}

/** The way to earlier versions, and back. */
function Versions(props: { last: number; asked: string }) {
  const { last, asked } = props;
  const here = asked ? Number(asked) : last;
  const to = (version: number) =>
    setParams({ version: version === last ? undefined : String(version) });
  if (last === 0 && !asked) return null;
  return (
    <div class="actions">
      <button type="button" disabled={!(here > 0)} onClick={() => to(here - 1)}>
        Earlier
      </button>
      <button type="button" disabled={!(here < last)} onClick={() => to(here + 1)}>
        Later
      </button>
      {asked ? (
        <button type="button" onClick={() => to(last)}>
          In force
        </button>
      ) : null}
    </div>
  );
}

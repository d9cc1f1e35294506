/** What is always approved, because somebody said so. */

import { useEffect, useState } from "preact/hooks";
import { listRules, type Rule, removeRule } from "../../api/approvals.ts";
import { ApiError } from "../../api/http.ts";
import { can, org } from "../../app/session.ts";
import { log } from "../../live/log.ts";
import { useLoaded } from "../../ui/load.ts";
import { Ask, Empty, Shown, Text } from "../../ui/parts.tsx";
import { oneLine } from "../../ui/text.ts";
import { Since } from "./time.tsx";

const AT_MOST_EVERY_MS = 2_000;

export function Rules() {
  const rules = useLoaded(listRules, [org.value]);
  const [removing, setRemoving] = useState<Rule>();
  useEffect(() => onNews(rules.reload), []);
  return (
    <>
      <Shown of={rules} what="what is always approved">
        {(all) =>
          all.length === 0 ? (
            <Empty title="Nothing is approved without asking">
              <p>
                Approve a call with “Always”, and the same call of the same agent is not asked for
                again. It stands here until somebody removes it.
              </p>
            </Empty>
          ) : (
            <div class="scroll">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Agent</th>
                    <th scope="col">Tool</th>
                    <th scope="col">This very call</th>
                    <th scope="col">Since</th>
                    <th scope="col">By</th>
                    {can("approve") ? (
                      <th scope="col">
                        <span class="unseen">Remove</span>
                      </th>
                    ) : null}
                  </tr>
                </thead>
                <tbody>
                  {all.map((rule) => (
                    <tr key={rule.name}>
                      <td>
                        <Text>{rule.agent}</Text>
                      </td>
                      <td>
                        <Text>{rule.tool}</Text>
                      </td>
                      <td class="mono">
                        <What rule={rule} />
                      </td>
                      <td>
                        <Since at={rule.created} />
                      </td>
                      <td>
                        <Text>{rule.created_by}</Text>
                      </td>
                      {can("approve") ? (
                        <td>
                          <button type="button" class="quiet" onClick={() => setRemoving(rule)}>
                            Remove …
                          </button>
                        </td>
                      ) : null}
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )
        }
      </Shown>
      {removing ? (
        <Ask
          title="Ask for this call again?"
          button="Remove"
          danger
          submit={() => removed(removing.name).then(rules.reload)}
          close={() => setRemoving(undefined)}
        >
          <p>
            The next time that <Text>{oneLine(removing.agent)}</Text> makes this call of{" "}
            <Text>{oneLine(removing.tool)}</Text>, somebody has to approve it.
          </p>
          <p class="code brief">
            <What rule={removing} />
          </p>
        </Ask>
      ) : null}
    </>
  );
}

function What(props: { rule: Rule }) {
  const { command_pattern, path_pattern } = props.rule;
  const shown = [command_pattern, path_pattern].filter(Boolean).map((each) => oneLine(each, 400));
  return shown.length > 0 ? <Text>{shown.join(" · ")}</Text> : <>with the same input</>;
}

/** Remove one; that somebody else did before is as good. */
async function removed(name: string): Promise<void> {
  try {
    await removeRule(name);
  } catch (error) {
    const status = error instanceof ApiError ? error.status : -1;
    if (status === 404) return;
    if (!(error instanceof ApiError && error.uncertain)) throw error;
    if ((await listRules()).some((each) => each.name === name)) throw error;
  }
}

/** Call `reload` when a rule may have come or gone; however many, not more often than that. */
function onNews(reload: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = log.listen((events) => {
    const concerns = events.some(
      ({ type }) => type === "approval.resolved" || type === "approval.rule_removed",
    );
    if (!concerns) return;
    timer ??= setTimeout(() => {
      timer = undefined;
      reload();
    }, AT_MOST_EVERY_MS);
  });
  return () => {
    stop();
    clearTimeout(timer);
  };
}

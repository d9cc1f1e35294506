/** An agent's budget, and how much of it is used. */

import type { Budget } from "../../api/agents.ts";
import { Chip } from "../../ui/parts.tsx";
import { visible } from "../../ui/text.ts";
import { usedOf } from "./used.ts";

const FOLLOWS: Record<Budget["action"], string> = {
  warn: "it is told, and nothing else happens",
  throttle: "one call in 10 seconds is let through",
  block: "its calls are denied",
  revoke: "its calls are denied, and its keys are revoked",
};

export function BudgetUse(props: { of: Budget | null; agent: string }) {
  const budget = props.of;
  if (!budget) {
    return (
      <p class="soft">
        It has none of its own. <code>tocsin budgets set --agent</code> makes one.
      </p>
    );
  }
  return (
    <div class="budget">
      <p>
        {budget.status === "triggered" ? (
          <span class="chip is-blocked">used up</span>
        ) : (
          <Chip of={budget.status} />
        )}{" "}
        {budget.name ? <strong>{visible(budget.name)}</strong> : null}{" "}
        <span class="soft">when it is used up, {FOLLOWS[budget.action]}</span>
      </p>
      <ul>
        {usedOf(budget).map((each) => (
          <li key={each.name}>
            <span>{each.title}</span>
            <span class="number">{each.text}</span>
            <span class={each.share >= 1 ? "track is-full" : "track"} aria-hidden="true">
              <i style={{ width: `${Math.min(each.share, 1) * 100}%` }} />
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}

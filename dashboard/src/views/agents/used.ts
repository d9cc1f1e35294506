/** What was used of a budget, limit by limit. */

import type { Budget } from "../../api/agents.ts";
import { dollars, whole } from "../../ui/text.ts";

export interface Used {
  /** The limit's name, as in `calls_per_day`. */
  name: string;
  title: string;
  /** `$2.54 of $10.00` */
  text: string;
  /** From 0 to 1, and beyond it. */
  share: number;
}

const PERIODS: Record<string, string> = { day: "today", month: "this month" };
const MEASURES: Record<string, string> = { cost_usd: "Cost", tokens: "Tokens", calls: "Calls" };

export function usedOf(budget: Budget): Used[] {
  return Object.entries(budget.limits).map(([name, most]) => {
    const [measure = "", period = ""] = name.split("_per_");
    const used = budget.usage[period]?.[measure] ?? 0;
    const words = measure === "cost_usd" ? dollars : whole;
    return {
      name,
      title: `${MEASURES[measure] ?? measure} ${PERIODS[period] ?? period}`,
      text: `${words(used)} of ${words(most)}`,
      share: most > 0 ? used / most : 1,
    };
  });
}

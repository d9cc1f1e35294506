/** How the org is watched, and what that would have told of the past: `/api/v1/detection`. */

import { get } from "./http.ts";

export interface Kind {
  kind: string;
  severity: string;
  /** Whether it shares the budget of false alerts. */
  budgeted: boolean;
  on: boolean;
  says: string;
}

/** When people are at work; of `days`, 0 is Monday. */
export interface Hours {
  from: string;
  to: string;
  days: number[];
  time_zone: string;
}

export interface Detection {
  enabled: boolean;
  false_alerts_per_day: number;
  kinds: string[];
  hours: Hours | null;
  suspend_from: string | null;
  set_by: string | null;
  set_at: string | null;
  known_kinds: Kind[];
}

/** An alert as its event would tell of it. */
export interface Finding {
  data: {
    type: string;
    severity: string;
    description: string;
    count: number;
    detectedAt: string;
    subject: Record<string, string>;
  };
}

/** `anomalies` are the first thousand of `total`. */
export interface DryRun {
  anomalies: Finding[];
  total: number;
  looked_at: number;
  trained_on: number;
}

export const readDetection = (signal?: AbortSignal) =>
  get<Detection>("/api/v1/detection", undefined, signal);

/** Without `kinds` or `false_alerts_per_day`: as the org has set it. Times are ISO. */
export const dryRun = (
  query: {
    from?: string | undefined;
    to?: string | undefined;
    false_alerts_per_day?: string | undefined;
    kinds?: string | undefined;
  },
  signal?: AbortSignal,
) => get<DryRun>("/api/v1/detection/dry-run", query, signal);

/** The views, by their names in the address. */

import type { ComponentType } from "preact";
import { AgentsView } from "../views/agents/index.tsx";
import { AnomaliesView } from "../views/anomalies/index.tsx";
import { openCount } from "../views/anomalies/waiting.ts";
import { ApprovalsView } from "../views/approvals/index.tsx";
import { waitingCount } from "../views/approvals/waiting.ts";
import { DeliveriesView } from "../views/deliveries/index.tsx";
import { DetectionView } from "../views/detection/index.tsx";
import { FeedView } from "../views/feed/index.tsx";
import { KeysView } from "../views/keys/index.tsx";
import { PoliciesView } from "../views/policies/index.tsx";
import { RatesView } from "../views/rates/index.tsx";
import { SessionsView } from "../views/sessions/index.tsx";
import { VerifyView } from "../views/verify/index.tsx";

export interface View {
  name: string;
  title: string;
  group: "Watch" | "Answer" | "Who" | "Prove" | "Set up";
  view: ComponentType;
  /** How many wait for somebody; shown beside the name. */
  badge?: () => number;
}

export const VIEWS: readonly View[] = [
  { name: "feed", title: "Live feed", group: "Watch", view: FeedView },
  { name: "rates", title: "Rates and cost", group: "Watch", view: RatesView },
  {
    name: "approvals",
    title: "Approvals",
    group: "Answer",
    view: ApprovalsView,
    badge: () => waitingCount.value,
  },
  {
    name: "anomalies",
    title: "Anomalies",
    group: "Answer",
    view: AnomaliesView,
    badge: () => openCount.value,
  },
  { name: "sessions", title: "Sessions", group: "Who", view: SessionsView },
  { name: "agents", title: "Agents", group: "Who", view: AgentsView },
  { name: "verify", title: "Verify", group: "Prove", view: VerifyView },
  { name: "detection", title: "Detection", group: "Set up", view: DetectionView },
  { name: "policies", title: "Policies", group: "Set up", view: PoliciesView },
  { name: "deliveries", title: "Deliveries", group: "Set up", view: DeliveriesView },
  { name: "keys", title: "Keys and usage", group: "Set up", view: KeysView },
];

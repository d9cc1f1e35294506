/** Approvals that wait, wherever one is in the page. */

import { signal } from "@preact/signals";

export const waitingCount = signal(0);

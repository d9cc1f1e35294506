/** Whether the page is as narrow as a phone, as the styles have it. */

import { signal } from "@preact/signals";

const NARROW = matchMedia("(max-width: 52rem)");

export const narrow = signal(NARROW.matches);
NARROW.addEventListener("change", () => {
  narrow.value = NARROW.matches;
});

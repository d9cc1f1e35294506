/** The page's colours: the system's, or what was chosen in this browser. */

import { signal } from "@preact/signals";
import { keep, kept } from "./kept.ts";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const NAME = "tocsin.theme";

export const theme = signal<Theme>("system");

export function setTheme(to: Theme): void {
  theme.value = to;
  keep(() => localStorage, NAME, to);
  apply();
}

export function loadTheme(): void {
  const chosen = kept(() => localStorage, NAME);
  theme.value = THEMES.find((each) => each === chosen) ?? "system";
  apply();
}

function apply(): void {
  document.documentElement.dataset.theme = theme.value;
}

import { render } from "preact";
import { followAddress } from "./app/route.ts";
import { look, phase, resume } from "./app/session.ts";
import { Shell } from "./app/shell.tsx";
import { SignIn } from "./app/signin.tsx";
import { loadTheme } from "./app/theme.ts";
import { log } from "./live/log.ts";
import { Loading } from "./ui/parts.tsx";

function Page() {
  switch (phase.value) {
    case "asking":
      return <Loading what="who you are" />;
    case "out":
      return <SignIn />;
    case "in":
      return <Shell />;
  }
}

let hiddenAt = Date.now();
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    hiddenAt = Date.now();
    log.remember();
  } else {
    log.wake(Date.now() - hiddenAt);
    if (phase.value === "in") void look();
  }
});
addEventListener("online", () => log.wake());
addEventListener("pagehide", () => log.remember());
addEventListener("pageshow", (event) => {
  if (event.persisted) void resume(); // from the browser's cache of pages: nothing of it is current
});

loadTheme();
followAddress();
void resume();
const page = document.getElementById("page");
if (page) render(<Page />, page);

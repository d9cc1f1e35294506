/** A new secret, shown by the page that made it until somebody says that it is kept. */

import { effect, signal } from "@preact/signals";
import { org } from "../../app/session.ts";
import { Copy } from "../../ui/parts.tsx";

/** In memory alone: not in the address, not in the browser's stores. */
const fresh = signal<{ id: string; secret: string; before: string } | null>(null);

effect(() => {
  org.value; // another org, or nobody
  fresh.value = null;
});

/** Show the secret of an endpoint; `before` says what becomes of the one before it. */
export function showSecret(id: string, secret: string, before = ""): void {
  fresh.value = { id, secret, before };
}

export function Secret(props: { id: string }) {
  const now = fresh.value;
  if (now?.id !== props.id) return null;
  return (
    <section class="panel stack secret" aria-label="Its new secret">
      <h2>Its secret, shown this once</h2>
      <p>
        Its receiver verifies signatures with it. Nobody can read it again: if it is lost, rotate.{" "}
        {now.before}
      </p>
      <p class="actions">
        <code>{now.secret}</code> <Copy text={now.secret} label="Copy" />
        <button
          type="button"
          onClick={() => {
            fresh.value = null;
          }}
        >
          I have kept it
        </button>
      </p>
    </section>
  );
}

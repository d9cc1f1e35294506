/** The keys of this view. */

import { useEffect, useRef } from "preact/hooks";

const KEYS: [string, string][] = [
  ["j", "the next call that waits"],
  ["k", "the one before it"],
  ["a", "approve: asks once more"],
  ["d", "deny: asks once more"],
  ["?", "these keys"],
];

/** Whether a key was meant for the view: not for a field, a dialog or the browser. */
export function isForView(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) {
    return false;
  }
  const at = event.target instanceof Element ? event.target : document.body;
  if (at.closest("input, textarea, select, [contenteditable]")) return false;
  return document.querySelector("dialog[open]") === null;
}

export function KeysDialog(props: { close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-label="Keys" onClose={props.close}>
      <h2>Keys</h2>
      <dl class="facts">
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <div class="actions">
        <button type="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  );
}

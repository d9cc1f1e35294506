/** One of a few, as buttons side by side; which one is in the address. */

import { route, setParams } from "../app/route.ts";

/** What is chosen by the parameter `name`; the first where it is not given, or not known. */
export function chosen<const Of extends string>(name: string, of: readonly Of[]): Of {
  const given = route.value.params[name];
  return of.find((each) => each === given) ?? (of[0] as Of);
}

export function Choice(props: { name: string; label: string; of: Record<string, string> }) {
  const names = Object.keys(props.of);
  const now = chosen(props.name, names);
  return (
    <fieldset class="choice segments">
      <legend class="unseen">{props.label}</legend>
      {names.map((each) => (
        <button
          key={each}
          type="button"
          aria-pressed={each === now}
          onClick={() => setParams({ [props.name]: each === names[0] ? undefined : each })}
        >
          {props.of[each]}
        </button>
      ))}
    </fieldset>
  );
}

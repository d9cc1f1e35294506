/** Figures side by side, and what sessions and agents have in common. */

import type { ComponentChildren } from "preact";
import type { Figures as Counted } from "../api/sessions.ts";
import type { Pages } from "./pages.ts";
import { Ago } from "./parts.tsx";
import { compact, count, dollars, whole } from "./text.ts";

export function Figures(props: { of: [string, ComponentChildren, boolean?][] }) {
  return (
    <dl class="counts">
      {props.of.map(([name, value, bad]) => (
        <div key={name} class={bad ? "is-bad" : undefined}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function figuresOf(counted: Counted): [string, ComponentChildren, boolean?][] {
  const tokens = `${whole(counted.prompt_tokens)} in, ${whole(counted.completion_tokens)} out`;
  return [
    ["Calls", whole(counted.total_requests)],
    ["Denials", whole(counted.denials), counted.denials > 0],
    ["Errors", whole(counted.error_count), counted.error_count > 0],
    ["Tokens", <span title={tokens}>{compact(counted.total_tokens)}</span>],
    ["Cost", dollars(counted.total_cost_usd)],
    ["First seen", counted.first_seen_at ? <Ago at={counted.first_seen_at} /> : "never"],
    ["Last seen", counted.last_seen_at ? <Ago at={counted.last_seen_at} /> : "never"],
  ];
}

/** The columns of a table of either: their heads. */
export function CountedHeads() {
  return (
    <>
      <th scope="col" class="number wide">
        Calls
      </th>
      <th scope="col" class="number wide">
        Denials
      </th>
      <th scope="col" class="number wide">
        Errors
      </th>
      <th scope="col" class="number wide">
        Tokens
      </th>
      <th scope="col" class="number wide">
        Cost
      </th>
    </>
  );
}

/** … and what is in them. */
export function CountedCells(props: { of: Counted }) {
  const { of } = props;
  return (
    <>
      <td class="number wide">{whole(of.total_requests)}</td>
      <td class={`number wide${of.denials > 0 ? " bad" : " none"}`}>{whole(of.denials)}</td>
      <td class={`number wide${of.error_count > 0 ? " bad" : " none"}`}>{whole(of.error_count)}</td>
      <td class="number wide">{compact(of.total_tokens)}</td>
      <td class="number wide">{dollars(of.total_cost_usd)}</td>
    </>
  );
}

/** … and the same below the name, where there is no room for columns. */
export function CountedLine(props: { of: Counted }) {
  const { of } = props;
  return (
    <small class="narrow soft">
      {count(of.total_requests, "call")}
      {of.denials > 0 ? ` · ${whole(of.denials)} denied` : ""}
      {of.error_count > 0 ? ` · ${whole(of.error_count)} failed` : ""}
    </small>
  );
}

/** How much of a list is shown, and the rest of it. */
export function ShowMore<T>(props: { of: Pages<T>; what: string; button?: string }) {
  const { items, total, more, loading } = props.of;
  const shown = items?.length ?? 0;
  return (
    <p class="show-more soft">
      {whole(shown)} {total !== undefined && total > shown ? `of ${whole(total)} ` : ""}
      {props.what} shown
      {more ? (
        <button type="button" class="quiet" disabled={loading} onClick={more}>
          {props.button ?? "Show more"}
        </button>
      ) : null}
    </p>
  );
}

/** Links by name, and opening by a name that is not in a list. */

import { useRef } from "preact/hooks";
import { go, routeText } from "../app/route.ts";
import { oneLine } from "./text.ts";

/** An id that leads to what it names; what is too long for a line is cut. */
export function NameLink(props: { view: string; id: string; text?: string }) {
  const { view, id } = props;
  return (
    <a class="name" href={routeText(view, id)} title={oneLine(id, 400)}>
      <bdi>{oneLine(props.text || id, 120)}</bdi>
    </a>
  );
}

/** A field that opens what has exactly this id. */
export function OpenById(props: { view: string; label: string }) {
  const input = useRef<HTMLInputElement>(null);
  const open = (event: Event) => {
    event.preventDefault();
    const id = input.current?.value.trim();
    if (id) go(routeText(props.view, id));
  };
  return (
    <form class="open-by-id" onSubmit={open}>
      <input
        ref={input}
        aria-label={props.label}
        placeholder={props.label}
        autocomplete="off"
        spellcheck={false}
      />
      <button type="submit">Open</button>
    </form>
  );
}

/** The way back from one to the list. */
export function Back(props: { view: string; title: string }) {
  return (
    <nav class="way-back" aria-label="Back">
      <a href={routeText(props.view)}>← {props.title}</a>
    </nav>
  );
}

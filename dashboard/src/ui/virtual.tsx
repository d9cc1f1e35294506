/** A list of any length, of which only what is seen stands in the page. */

import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
} from "@tanstack/virtual-core";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";

const OVERSCAN = 8;
const NEAR_END = 20;

/**
 * Rows of one height, one of which may be chosen: by a click, or by the arrow keys and Enter.
 *
 * Screen readers see a list box with so many options. `row` gives what is in a row: text, and
 * nothing that could be clicked by itself.
 */
export function VirtualList(props: {
  label: string;
  count: number;
  /** In pixels. */
  rowHeight: number;
  keyOf: (index: number) => string | number;
  row: (index: number) => ComponentChildren;
  /** The chosen row's index; -1: none is. */
  chosen: number;
  /** The row to begin at, in the middle of what is seen; -1: the first. */
  reveal?: number;
  choose: (index: number) => void;
  /** How far the list is scrolled, in pixels; called as it changes. */
  scrolled?: (top: number) => void;
  /** The last rows are near. */
  nearEnd?: () => void;
}) {
  const { count, rowHeight, chosen } = props;
  const box = useRef<HTMLDivElement>(null);
  const name = useId();
  const [, redraw] = useState(0);
  const [active, setActive] = useState(-1);
  const latest = useRef(props);
  latest.current = props;

  const made = useRef<Virtualizer<HTMLDivElement, Element> | null>(null);
  const options = {
    count,
    getScrollElement: () => box.current,
    estimateSize: () => rowHeight,
    getItemKey: props.keyOf,
    overscan: OVERSCAN,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    onChange: () => {
      redraw((turn) => turn + 1);
      latest.current.scrolled?.(box.current?.scrollTop ?? 0);
    },
  };
  made.current ??= new Virtualizer<HTMLDivElement, Element>(options);
  const virtual = made.current;
  virtual.setOptions(options);
  useLayoutEffect(() => virtual._didMount(), []);
  useLayoutEffect(() => virtual._willUpdate());
  useEffect(() => virtual.measure(), [rowHeight]);

  const reveal = props.reveal ?? -1;
  useLayoutEffect(() => {
    if (reveal >= 0) virtual.scrollToIndex(reveal, { align: "center" });
  }, [reveal >= 0]);

  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? -1;
  useEffect(() => {
    if (last >= count - NEAR_END) latest.current.nearEnd?.();
  }, [last, count]);

  const current = chosen >= 0 ? chosen : Math.min(active, count - 1);
  const move = (to: number) => {
    const index = Math.max(0, Math.min(to, count - 1));
    if (index < 0) return;
    setActive(index);
    virtual.scrollToIndex(index);
    if (chosen >= 0) props.choose(index);
  };
  const page = Math.max(Math.floor((box.current?.clientHeight ?? 0) / rowHeight) - 1, 1);
  const keys: Record<string, () => void> = {
    ArrowDown: () => move(current + 1),
    ArrowUp: () => move(current - 1),
    j: () => move(current + 1),
    k: () => move(current - 1),
    PageDown: () => move(current + page),
    PageUp: () => move(current - page),
    Home: () => move(0),
    End: () => move(count - 1),
    Enter: () => {
      if (current >= 0) props.choose(current);
    },
  };
  return (
    <div
      ref={box}
      class="virtual"
      role="listbox"
      aria-label={props.label}
      aria-activedescendant={
        items.some((item) => item.index === current) ? `${name}-${current}` : undefined
      }
      tabIndex={0}
      onKeyDown={(event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const act = keys[event.key];
        if (act) {
          event.preventDefault();
          act();
        }
      }}
    >
      <div role="presentation" style={{ height: `${virtual.getTotalSize()}px` }}>
        {items.map((item) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the list box has the keys
          // biome-ignore lint/a11y/useFocusableInteractive: the list box has the focus
          <div
            key={item.key}
            id={`${name}-${item.index}`}
            role="option"
            class={item.index === current ? "row active" : "row"}
            aria-selected={item.index === chosen}
            aria-setsize={count}
            aria-posinset={item.index + 1}
            style={{ height: `${rowHeight}px`, transform: `translateY(${item.start}px)` }}
            onClick={() => {
              setActive(item.index);
              props.choose(item.index);
            }}
          >
            {props.row(item.index)}
          </div>
        ))}
      </div>
    </div>
  );
}

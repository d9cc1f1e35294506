/** A list of any length, of which only what is seen stands in the page. */

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
  const [seen, setSeen] = useState({ top: 0, height: 0 });
  const [active, setActive] = useState(-1);
  const latest = useRef(props);
  latest.current = props;

  const look = () => {
    const { scrollTop: top = 0, clientHeight: height = 0 } = box.current ?? {};
    setSeen((was) => (was.top === top && was.height === height ? was : { top, height }));
  };
  useLayoutEffect(() => {
    look();
    const resized = new ResizeObserver(look);
    if (box.current) resized.observe(box.current);
    return () => resized.disconnect();
  }, []);
  const scrollTo = (top: number) => {
    if (box.current) box.current.scrollTop = top;
    look();
  };
  const reveal = props.reveal ?? -1;
  useLayoutEffect(() => {
    if (reveal < 0) return;
    scrollTo((reveal + 0.5) * rowHeight - (box.current?.clientHeight ?? 0) / 2);
  }, [reveal >= 0]);

  const first = Math.max(Math.floor(seen.top / rowHeight) - OVERSCAN, 0);
  const last = Math.min(Math.ceil((seen.top + seen.height) / rowHeight) + OVERSCAN, count) - 1;
  const items = Array.from({ length: Math.max(last - first + 1, 0) }, (_, index) => first + index);
  useEffect(() => {
    if (last >= count - NEAR_END) latest.current.nearEnd?.();
  }, [last, count]);

  const current = chosen >= 0 ? chosen : Math.min(active, count - 1);
  const move = (to: number) => {
    const index = Math.max(0, Math.min(to, count - 1));
    if (index < 0) return;
    setActive(index);
    const { top, height } = seen;
    if (index * rowHeight < top) scrollTo(index * rowHeight);
    else if ((index + 1) * rowHeight > top + height) scrollTo((index + 1) * rowHeight - height);
    if (chosen >= 0) props.choose(index);
  };
  const page = Math.max(Math.floor(seen.height / rowHeight) - 1, 1);
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
      aria-activedescendant={current >= first && current <= last ? `${name}-${current}` : undefined}
      tabIndex={0}
      onScroll={() => {
        look();
        props.scrolled?.(box.current?.scrollTop ?? 0);
      }}
      onKeyDown={(event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const act = keys[event.key];
        if (act) {
          event.preventDefault();
          act();
        }
      }}
    >
      <div role="presentation" style={{ height: `${count * rowHeight}px` }}>
        {items.map((index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the list box has the keys
          // biome-ignore lint/a11y/useFocusableInteractive: the list box has the focus
          <div
            key={props.keyOf(index)}
            id={`${name}-${index}`}
            role="option"
            class={index === current ? "row active" : "row"}
            aria-selected={index === chosen}
            aria-setsize={count}
            aria-posinset={index + 1}
            style={{ height: `${rowHeight}px`, transform: `translateY(${index * rowHeight}px)` }}
            onClick={() => {
              setActive(index);
              props.choose(index);
            }}
          >
            {props.row(index)}
          </div>
        ))}
      </div>
    </div>
  );
}

/** A chart of counts or sums over time, stacked bars, with the same figures as a table. */

import { useEffect, useId, useRef, useState } from "preact/hooks";
import { BASE, BOX, HEIGHT, levels, marked, path, stacked } from "./plot.ts";
import { compact, visible } from "./text.ts";

export const COLOURS = 8;
/** The widest that is written at the axis of times. */
const LABEL_PX = 44;

/** `colour` is 1 to 8; 0: what is no name's own. A value of null is not known. */
export interface Series {
  name: string;
  colour: number;
  values: (number | null)[];
}

/** Something that happened at a time (Unix s), marked where it was; it leads somewhere. */
export interface Flag {
  at: number;
  href: string;
  label: string;
  severity: string;
}

export interface ChartProps {
  label: string;
  /** When each bar begins (Unix s), as far apart as `step` says. */
  times: number[];
  step: number;
  series: Series[];
  flags?: Flag[];
  /** What is written at the axis and in the table for a time. */
  time: (at: number) => string;
  value?: (value: number) => string;
  /** There are no halves: the axis has none either. */
  wholes?: boolean;
}

export function Chart(props: ChartProps) {
  const { label, flags = [], times, step } = props;
  const host = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState<number | null>(null);
  const [width, setWidth] = useState(0);
  const title = useId();
  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const sized = new ResizeObserver(() => setWidth(element.clientWidth));
    sized.observe(element);
    return () => sized.disconnect();
  }, []);

  const inner = Math.max(width - BOX.left - BOX.right, 0);
  const wide = inner / Math.max(times.length, 1);
  const from = times[0] ?? 0;
  const until = (times.at(-1) ?? from) + step;
  const pointed = (event: MouseEvent) => {
    const x = event.clientX - (host.current?.getBoundingClientRect().left ?? 0) - BOX.left;
    const index = Math.floor(x / wide);
    setAt(index >= 0 && index < times.length ? index : null);
  };
  return (
    <figure class="chart" aria-labelledby={title}>
      <figcaption id={title} class="unseen">
        {label}
      </figcaption>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the table has the same figures */}
      <div class="plot" ref={host} onMouseMove={pointed} onMouseLeave={() => setAt(null)}>
        {inner > 0 ? <Bars {...props} width={width} wide={wide} at={at} /> : null}
        {flags
          .filter((flag) => inner > 0 && flag.at >= from && flag.at < until)
          .map((flag) => (
            <a
              key={`${flag.at} ${flag.href}`}
              class={`flag is-${flag.severity}`}
              href={flag.href}
              title={flag.label}
              style={{
                left: `${BOX.left + ((flag.at - from) / step) * wide}px`,
                top: `${BOX.top}px`,
                height: `${BASE - BOX.top}px`,
              }}
            >
              <span class="unseen">{flag.label}</span>
            </a>
          ))}
      </div>
      <Legend {...props} at={at} />
      <Figures {...props} />
    </figure>
  );
}

/** The bars and their axes; `wide` is the room of each. */
function Bars(props: ChartProps & { width: number; wide: number; at: number | null }) {
  const { times, step, series, time, value = compact, wholes, width, wide, at } = props;
  const stacks = stacked(
    series.map((each) => each.values),
    times.length,
  );
  const most = Math.max(0, ...(stacks.at(-1) ?? []).map((each) => each[1]));
  const { top, ticks } = levels(most, wholes);
  const unit = (BASE - BOX.top) / top;
  const zone = new Date().getTimezoneOffset() * -60;
  return (
    <svg width={width} height={HEIGHT} aria-hidden="true">
      {ticks.map((tick) => {
        const y = BASE - tick * unit;
        return (
          <g key={tick}>
            <line x1={BOX.left} x2={width - BOX.right} y1={y} y2={y} />
            <text x={BOX.left - 8} y={y + 4} text-anchor="end">
              {value(tick)}
            </text>
          </g>
        );
      })}
      {marked(times, step, wide, zone)
        .map((index): [number, number] => [index, BOX.left + index * wide])
        .filter(([, x]) => x < width - LABEL_PX / 2)
        .map(([index, x]) => (
          <text key={index} x={x} y={HEIGHT - 8} text-anchor="middle">
            {time(times[index] ?? 0)}
          </text>
        ))}
      {series.map((each, index) => (
        <path
          key={each.colour}
          d={path(stacks[index] ?? [], wide, unit)}
          style={{ fill: `var(--series-${each.colour})` }}
        />
      ))}
      {at === null ? null : (
        <line
          class="at"
          x1={BOX.left + (at + 0.5) * wide}
          x2={BOX.left + (at + 0.5) * wide}
          y1={BOX.top}
          y2={BASE}
        />
      )}
    </svg>
  );
}

/** Whose colour is which, and what each has where the pointer is. */
function Legend(props: ChartProps & { at: number | null }) {
  const { series, at, times, time, value = compact } = props;
  const when = at === null ? undefined : times[at];
  return (
    <ul class="legend">
      {series.map((each) => (
        <li key={each.colour}>
          <i style={{ background: `var(--series-${each.colour})` }} aria-hidden="true" />
          <bdi>{visible(each.name)}</bdi>
          {at === null ? null : <b>{said(each.values[at], value)}</b>}
        </li>
      ))}
      {when === undefined ? null : <li class="soft">{time(when)}</li>}
    </ul>
  );
}

/** The chart's figures, the newest first; made when somebody opens them. */
function Figures(props: ChartProps) {
  const { label, times, series, time, value = compact } = props;
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>The same as a table</summary>
      {open ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard
        <section class="scroll figures" aria-label={`${label}, as a table`} tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">Time</th>
                {series.map((each) => (
                  <th key={each.colour} scope="col" class="number">
                    <bdi>{visible(each.name)}</bdi>
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {times
                .map((at, index) => (
                  <tr key={at}>
                    <th scope="row">{time(at)}</th>
                    {series.map((each) => (
                      <td key={each.colour} class="number">
                        {said(each.values[index], value)}
                      </td>
                    ))}
                  </tr>
                ))
                .reverse()}
            </tbody>
          </table>
        </section>
      ) : null}
    </details>
  );
}

function said(value: number | null | undefined, format: (value: number) => string): string {
  return value === null || value === undefined ? "–" : format(value);
}

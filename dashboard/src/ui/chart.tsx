/** A chart of counts or sums over time, stacked bars, with the same figures as a table. */

import { useEffect, useId, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { theme } from "../app/theme.ts";
import { compact, visible } from "./text.ts";

export const COLOURS = 8;

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
  const { label, series, flags = [] } = props;
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  const [at, setAt] = useState<number | null>(null);
  const [width, setWidth] = useState(0);
  const [box, setBox] = useState<uPlot.BBox>();
  const title = useId();
  latest.current = props;

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const sized = new ResizeObserver(() => setWidth(Math.floor(element.clientWidth)));
    sized.observe(element);
    return () => sized.disconnect();
  }, []);

  // As many series as there are is what a plot is made for; all else it takes as it changes.
  useEffect(() => {
    const element = host.current;
    if (!element || width === 0) return;
    const made = new uPlot(
      options(element, latest, width, setAt, setBox),
      stacked(latest.current),
      element,
    );
    plot.current = made;
    const redraw = () => made.redraw(true);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", redraw);
    const end = theme.subscribe(() => requestAnimationFrame(redraw));
    return () => {
      end();
      scheme.removeEventListener("change", redraw);
      made.destroy();
      plot.current = null;
    };
  }, [series.length, series.map((each) => each.colour).join(), width]);
  useEffect(() => plot.current?.setData(stacked(props)), [props.times, series]);

  const [from, until] = span(props);
  return (
    <figure class="chart" aria-labelledby={title}>
      <figcaption id={title} class="unseen">
        {label}
      </figcaption>
      <div class="plot">
        <div ref={host} aria-hidden="true" />
        {box
          ? flags
              .filter((flag) => flag.at >= from && flag.at < until)
              .map((flag) => (
                <a
                  key={`${flag.at} ${flag.href}`}
                  class={`flag is-${flag.severity}`}
                  href={flag.href}
                  title={flag.label}
                  style={{
                    left: `${(box.left + ((flag.at - from) / (until - from)) * box.width) / devicePixelRatio}px`,
                    top: `${box.top / devicePixelRatio}px`,
                    height: `${box.height / devicePixelRatio}px`,
                  }}
                >
                  <span class="unseen">{flag.label}</span>
                </a>
              ))
          : null}
      </div>
      <Legend {...props} at={at} />
      <Figures {...props} />
    </figure>
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

/** Where the axis begins and ends (Unix s). */
function span(props: ChartProps): [number, number] {
  const first = props.times[0] ?? 0;
  return [first, (props.times.at(-1) ?? first) + props.step];
}

/** The data as uPlot draws them: sums from the bottom up, the highest first, so that all show. */
function stacked(props: ChartProps): uPlot.AlignedData {
  let below: (number | null)[] = props.times.map(() => 0);
  const sums = props.series.map((each) => {
    below = below.map((sum, index) => {
      const value = each.values[index];
      return value === null || value === undefined ? null : (sum ?? 0) + value;
    });
    return below;
  });
  return [props.times, ...sums.reverse()];
}

function options(
  host: HTMLElement,
  latest: { current: ChartProps },
  width: number,
  pointed: (index: number | null) => void,
  drawn: (change: (was?: uPlot.BBox) => uPlot.BBox) => void,
): uPlot.Options {
  const colour = (name: string) => () => resolved(host, name);
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 } };
  const bars = uPlot.paths.bars?.({ size: [0.86, 96], align: 1 });
  return {
    width,
    height: 240,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: {
      x: { time: true, range: () => span(latest.current) },
      y: { range: (_, __, most) => [0, Math.max(most, 1e-9) * 1.08] },
    },
    axes: [
      {
        ...axis,
        ticks: { show: false },
        grid: { show: false },
        values: (_, splits) => splits.map((at) => latest.current.time(at)),
        space: 70,
        size: 32,
      },
      {
        ...axis,
        ticks: { show: false },
        size: 56,
        values: (_, splits) => {
          const { value = compact, wholes } = latest.current;
          return splits.map((each) => (wholes && !Number.isInteger(each) ? "" : value(each)));
        },
      },
    ],
    series: [
      {},
      ...latest.current.series
        .map((each) => ({
          fill: colour(`--series-${each.colour}`),
          stroke: colour("--paper"),
          width: 0,
          points: { show: false },
          ...(bars ? { paths: bars } : {}),
        }))
        .reverse(),
    ],
    hooks: {
      setCursor: [(plot) => pointed(plot.cursor.idx ?? null)],
      draw: [({ bbox }) => drawn((was) => (was && same(was, bbox) ? was : { ...bbox }))],
    },
  };
}

function same(one: uPlot.BBox, two: uPlot.BBox): boolean {
  return one.left === two.left && one.width === two.width && one.height === two.height;
}

/** A colour of the style sheet as the canvas takes it: `light-dark()` is settled. */
function resolved(host: HTMLElement, name: string): string {
  host.style.color = `var(${name})`;
  return getComputedStyle(host).color;
}

/** A table that one can sort, and that begins with its first rows however many there are. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { whole } from "./text.ts";

export interface Column<Row> {
  name: string;
  show: (row: Row) => ComponentChildren;
  /** What rows are ordered by; without it the column can't be sorted. */
  by?: (row: Row) => number | string;
  number?: boolean;
}

interface Order {
  name: string;
  down: boolean;
}

/** `order` is what it begins with; without it rows are as they come. */
export function Table<Row>(props: {
  label: string;
  columns: Column<Row>[];
  rows: readonly Row[];
  order?: Order;
  most?: number;
}) {
  const { label, columns, rows, most = 100 } = props;
  const [order, setOrder] = useState<Order | undefined>(props.order);
  const [all, setAll] = useState(false);
  const by = columns.find((column) => column.name === order?.name)?.by;
  const ordered = by && order ? sorted(rows, by, order.down) : rows;
  const shown = all ? ordered : ordered.slice(0, most);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard */}
      <section class="scroll" aria-label={label} tabIndex={0}>
        <table>
          <thead>
            <tr>
              {columns.map((column) => (
                <th
                  key={column.name}
                  scope="col"
                  class={column.number ? "number" : undefined}
                  aria-sort={
                    order?.name !== column.name
                      ? undefined
                      : order.down
                        ? "descending"
                        : "ascending"
                  }
                >
                  {column.by ? (
                    <button
                      type="button"
                      class="sort"
                      onClick={() => setOrder(next(column, order))}
                    >
                      {column.name}
                    </button>
                  ) : (
                    column.name
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row, index) => (
              <tr key={index}>
                {columns.map((column) => (
                  <td key={column.name} class={column.number ? "number" : undefined}>
                    {column.show(row)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {shown.length < rows.length ? (
        <button type="button" onClick={() => setAll(true)}>
          Show all {whole(rows.length)}
        </button>
      ) : null}
    </>
  );
}

function next<Row>(column: Column<Row>, order: Order | undefined): Order {
  if (order?.name === column.name) return { name: column.name, down: !order.down };
  return { name: column.name, down: column.number ?? false };
}

function sorted<Row>(rows: readonly Row[], by: (row: Row) => number | string, down: boolean) {
  const sign = down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [one, two] = [by(a), by(b)];
    return one === two ? 0 : one < two ? -sign : sign;
  });
}

/** What of the feed is shown: filters and a search, all of it in the address. */

import { useEffect, useId, useRef, useState } from "preact/hooks";
import { FILTERS, type Filter, type FilterName } from "../../api/events.ts";
import { route, setParams } from "../../app/route.ts";
import { log } from "../../live/log.ts";
import { oneLine, visible } from "../../ui/text.ts";

const TITLES: Record<FilterName, string> = {
  type: "Type",
  agent: "Agent",
  session: "Session",
  server: "Server",
  tool: "Tool",
  action: "Action",
  model: "Model",
  trace: "Trace",
  call: "Call",
};
const NAMES = Object.keys(FILTERS) as FilterName[];
const OFFERED = 50;
const TYPING_MS = 200;

/** The filter that the address asks for. */
export function filterOf(params: Record<string, string>): Filter {
  const given = NAMES.filter((name) => params[name]).map((name) => [name, params[name]]);
  return Object.fromEntries(given) as Filter;
}

export function Filters() {
  const { params } = route.value;
  const filter = filterOf(params);
  const set = NAMES.filter((name) => filter[name]);
  const [open, setOpen] = useState(false);
  const panel = useId();
  return (
    <search class="filters">
      <Search />
      <button
        type="button"
        aria-expanded={open}
        aria-controls={panel}
        onClick={() => setOpen(!open)}
      >
        Filters{set.length > 0 ? ` (${set.length})` : ""}
      </button>
      {set.map((name) => (
        <button
          key={name}
          type="button"
          class="quiet filter"
          onClick={() => setParams({ [name]: undefined })}
        >
          <span class="unseen">Remove the filter </span>
          {TITLES[name]}: {oneLine(filter[name] ?? "", 40)} <span aria-hidden="true">×</span>
        </button>
      ))}
      {open ? <Panel id={panel} filter={filter} close={() => setOpen(false)} /> : null}
    </search>
  );
}

function Panel(props: { id: string; filter: Filter; close: () => void }) {
  const form = useRef<HTMLFormElement>(null);
  const apply = (event: Event) => {
    event.preventDefault();
    if (!form.current) return;
    const data = new FormData(form.current);
    const given = NAMES.map((name) => [name, String(data.get(name) ?? "").trim()]);
    setParams({ ...Object.fromEntries(given), around: undefined });
    props.close();
  };
  return (
    <form id={props.id} ref={form} class="panel filter-panel" onSubmit={apply}>
      {NAMES.map((name) => (
        <FilterField key={name} name={name} value={props.filter[name] ?? ""} />
      ))}
      <div class="actions">
        <button type="submit" class="primary">
          Show
        </button>
        <button
          type="button"
          onClick={() => {
            setParams(Object.fromEntries(NAMES.map((name) => [name, undefined])));
            props.close();
          }}
        >
          Clear
        </button>
      </div>
    </form>
  );
}

function FilterField(props: { name: FilterName; value: string }) {
  const id = useId();
  const [offered, setOffered] = useState<string[]>([]);
  return (
    <div class="field">
      <label for={id}>{TITLES[props.name]}</label>
      <input
        id={id}
        name={props.name}
        list={`${id}-list`}
        defaultValue={props.value}
        autocomplete="off"
        spellcheck={false}
        maxLength={2_000}
        onFocus={() => setOffered(often(props.name))}
      />
      <datalist id={`${id}-list`}>
        {offered.map((value) => (
          <option key={value} value={value}>
            {visible(value)}
          </option>
        ))}
      </datalist>
    </div>
  );
}

/** The values that the log's events have most often. */
function often(name: FilterName): string[] {
  const counts = new Map<string, number>();
  for (const event of log.events) {
    if (event[name]) counts.set(event[name], (counts.get(event[name]) ?? 0) + 1);
  }
  const sorted = [...counts].sort((one, other) => other[1] - one[1]);
  return sorted.slice(0, OFFERED).map(([value]) => value);
}

function Search() {
  const id = useId();
  const q = route.value.params.q ?? "";
  const input = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    // The back button changes it, too; while one types, what is typed counts.
    if (input.current && document.activeElement !== input.current) input.current.value = q;
  }, [q]);
  const search = (replace: boolean) => {
    clearTimeout(timer.current);
    setParams({ q: input.current?.value ?? "" }, { replace });
  };
  return (
    <form
      class="search"
      onSubmit={(event) => {
        event.preventDefault();
        search(false);
      }}
    >
      <label class="unseen" for={id}>
        Search in what events contain
      </label>
      <input
        id={id}
        ref={input}
        type="search"
        placeholder="Search"
        defaultValue={q}
        autocomplete="off"
        spellcheck={false}
        onInput={() => {
          clearTimeout(timer.current);
          timer.current = setTimeout(() => search(true), TYPING_MS);
        }}
      />
    </form>
  );
}

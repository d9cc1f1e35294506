/** What differs between two texts, line by line. */

/** A line; of one that was changed, `from` to `to` is the part that is not in its counterpart. */
export interface Line {
  kind: "same" | "gone" | "new";
  text: string;
  from: number;
  to: number;
}

/** So many comparisons of two lines at most; beyond them, all between the ends counts as changed. */
const MAX_CELLS = 4_000_000;

export function differences(before: string, after: string): Line[] {
  const old = before.split("\n");
  const now = after.split("\n");
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start++;
  let end = 0;
  while (
    end < old.length - start &&
    end < now.length - start &&
    old[old.length - 1 - end] === now[now.length - 1 - end]
  ) {
    end++;
  }
  const same = (text: string): Line => ({ kind: "same", text, from: 0, to: 0 });
  return [
    ...old.slice(0, start).map(same),
    ...between(old.slice(start, old.length - end), now.slice(start, now.length - end)),
    ...old.slice(old.length - end).map(same),
  ];
}

/** The lines around what differs; a number stands for so many that are the same. */
export function hunks(lines: readonly Line[], context = 3): (Line | number)[] {
  const near = new Uint8Array(lines.length);
  lines.forEach((line, index) => {
    if (line.kind !== "same") near.fill(1, Math.max(index - context, 0), index + context + 1);
  });
  const found: (Line | number)[] = [];
  lines.forEach((line, index) => {
    const last = found.at(-1);
    if (near[index]) found.push(line);
    else if (typeof last === "number") found[found.length - 1] = last + 1;
    else found.push(1);
  });
  return found;
}

/** By the longest common subsequence. */
function between(old: readonly string[], now: readonly string[]): Line[] {
  const width = now.length + 1;
  const cells = (old.length + 1) * width;
  if (cells > MAX_CELLS) return changed(old, now);
  const longest = new Uint32Array(cells);
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      const below = longest[(i + 1) * width + j] ?? 0;
      const right = longest[i * width + j + 1] ?? 0;
      const both = (longest[(i + 1) * width + j + 1] ?? 0) + 1;
      longest[i * width + j] = old[i] === now[j] ? both : Math.max(below, right);
    }
  }
  const lines: Line[] = [];
  let gone: string[] = [];
  let came: string[] = [];
  const flush = () => {
    lines.push(...changed(gone, came));
    gone = [];
    came = [];
  };
  let i = 0;
  let j = 0;
  while (i < old.length || j < now.length) {
    const one = old[i];
    const other = now[j];
    if (one !== undefined && one === other) {
      flush();
      lines.push({ kind: "same", text: one, from: 0, to: 0 });
      i++;
      j++;
    } else if (
      other === undefined ||
      (one !== undefined &&
        (longest[(i + 1) * width + j] ?? 0) >= (longest[i * width + j + 1] ?? 0))
    ) {
      gone.push(one ?? "");
      i++;
    } else {
      came.push(other);
      j++;
    }
  }
  flush();
  return lines;
}

/** Lines in the place of others; where they are as many, each is compared with its counterpart. */
function changed(old: readonly string[], now: readonly string[]): Line[] {
  const paired = old.length === now.length;
  const line = (kind: "gone" | "new", text: string, other: string | undefined): Line => {
    const [from, to] = paired && other !== undefined ? part(text, other) : [0, text.length];
    return { kind, text, from, to };
  };
  return [
    ...old.map((text, index) => line("gone", text, now[index])),
    ...now.map((text, index) => line("new", text, old[index])),
  ];
}

/** Where a text differs from another: what is between their common beginning and end. */
function part(text: string, other: string): [number, number] {
  const shorter = Math.min(text.length, other.length);
  let start = 0;
  while (start < shorter && text[start] === other[start]) start++;
  let end = 0;
  while (end < shorter - start && text.at(-1 - end) === other.at(-1 - end)) end++;
  // Not through the middle of a character of two units.
  if (start > 0 && isHigh(text.charCodeAt(start - 1))) start--;
  if (end > 0 && isLow(text.charCodeAt(text.length - end))) end--;
  return [start, text.length - end];
}

const isHigh = (unit: number) => unit >= 0xd800 && unit <= 0xdbff;
const isLow = (unit: number) => unit >= 0xdc00 && unit <= 0xdfff;

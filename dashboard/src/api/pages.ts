/** Lists that come in pages. */

/** How much of a list is asked for, and from where the page before ended; undefined: the first. */
export interface Asked {
  limit: number;
  next: string | undefined;
}

export interface Found<T> {
  items: T[];
  /** Where the next page begins; undefined: this was the last. */
  next: string | undefined;
  /** How many there are in all, where that is known. */
  total?: number;
}

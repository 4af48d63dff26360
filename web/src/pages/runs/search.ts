/** What the list of runs keeps in its address. */
import type { RunListFilter } from "../../api/runList";
import { dayOf, oneOf, type Search } from "../../kit/search";
import { RUN_STATUSES } from "../../kit/status";

/** More do not fit into an address that every proxy takes. */
export const MOST_SELECTED = 100;
const MOST_COLUMNS = 20;

export const SORTS = ["created", "name", "status", "recipe", "finished", "loss"] as const;

export interface RunsSearch extends RunListFilter {
  columns?: string[];
  /** The runs' own ids. */
  selected?: string[];
}

export const runsSearchOf = (search: Search): RunsSearch => {
  const status = RUN_STATUSES.filter((one) => wordsOf(search["status"]).includes(one));
  return {
    ...(status.length > 0 ? { status } : {}),
    ...textAt(search, "recipe"),
    ...textAt(search, "name"),
    ...textAt(search, "label"),
    ...textAt(search, "owner"),
    ...textAt(search, "id"),
    ...dayOf(search, "after"),
    ...dayOf(search, "before"),
    ...oneOf(search, "sort", SORTS),
    ...oneOf(search, "direction", ["asc", "desc"] as const),
    ...wordsAt(search, "columns", MOST_COLUMNS),
    ...wordsAt(search, "selected", MOST_SELECTED),
  };
};

/** Returns what restricts and sorts the list. */
export function filterOf({ columns: _, selected: __, ...filter }: RunsSearch): RunListFilter {
  return filter;
}

/** Returns texts, also where the address holds one alone, or digits, which the router takes for a number. */
export function wordsOf(value: unknown): string[] {
  const all = Array.isArray(value) ? value : [value];
  return all.filter((one) => typeof one === "string" || typeof one === "number").map(String);
}

function wordsAt<K extends string>(search: Search, key: K, most: number): Partial<Record<K, string[]>> {
  const found = [...new Set(wordsOf(search[key]).filter((word) => word !== ""))].slice(0, most);
  return found.length > 0 ? ({ [key]: found } as Record<K, string[]>) : {};
}

function textAt<K extends string>(search: Search, key: K): Partial<Record<K, string>> {
  const [found] = wordsOf(search[key]);
  return found ? ({ [key]: found } as Record<K, string>) : {};
}

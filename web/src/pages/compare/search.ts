/** What a comparison keeps in its address. */
import { numberBetween, oneOf, type Search } from "../../kit/search";

export const MOST_COMPARED = 20;
const AXES = ["step", "time"] as const;

export interface CompareSearch {
  run: string[];
  x?: (typeof AXES)[number];
  /** The share of the past in the smoothed lines. */
  smoothing?: number;
  /** A setting: runs with the same value are one line with a band. */
  group?: string;
  /** Whether settings are shown that are the same in all. */
  settings?: "all";
}

export const compareSearchOf = (search: Search): CompareSearch => ({
  run: [...new Set(idsOf(search["run"]))].slice(0, MOST_COMPARED),
  ...oneOf(search, "x", AXES),
  ...numberBetween(search, "smoothing", 0, 1),
  ...(typeof search["group"] === "string" && search["group"] !== "" ? { group: search["group"] } : {}),
  ...oneOf(search, "settings", ["all"] as const),
});

/** An address written by hand may hold one alone, or digits, which the router takes for a number. */
function idsOf(value: unknown): string[] {
  const all = Array.isArray(value) ? value : [value];
  return all.filter((one) => typeof one === "string" || typeof one === "number").map(String);
}

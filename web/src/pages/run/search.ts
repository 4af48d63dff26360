/** What the page of a run keeps in its address. */
import { flagOf, numberBetween, oneOf, textOf, type Search } from "../../kit/search";
import type { X } from "../../kit/series";

const MOST_STEPS = 2 ** 53;

const TABS = ["curves", "samples", "log", "results", "events", "configuration", "audit"] as const;
export type RunTab = (typeof TABS)[number];

export interface RunSearch {
  tab?: RunTab;
  /** The share of the past in the smoothed curves. */
  smoothing?: number;
  x?: X;
  log?: true;
  robust?: true;
  /** The curves in numbers. */
  table?: true;
  /** The range of steps that is shown. */
  from?: number;
  to?: number;
  /** The byte of the log from which it is shown; else its end. */
  at?: number;
  /** What is searched for in the log. */
  q?: string;
}

export const runSearchOf = (search: Search): RunSearch => ({
  ...oneOf(search, "tab", TABS),
  ...numberBetween(search, "smoothing", 0, 1),
  ...oneOf(search, "x", ["tokens", "time"] as const),
  ...flagOf(search, "log"),
  ...flagOf(search, "robust"),
  ...flagOf(search, "table"),
  ...numberBetween(search, "from", -MOST_STEPS, MOST_STEPS),
  ...numberBetween(search, "to", -MOST_STEPS, MOST_STEPS),
  ...numberBetween(search, "at", -1, MOST_STEPS),
  ...textOf(search, "q"),
});

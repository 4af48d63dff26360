/** What the page of a run keeps in its address. */
import { numberBetween, oneOf, type Search } from "../../kit/search";

const TABS = ["curves", "log", "events", "configuration"] as const;
export type RunTab = (typeof TABS)[number];

export interface RunSearch {
  tab?: RunTab;
  /** The share of the past in the smoothed curves. */
  smoothing?: number;
}

export const runSearchOf = (search: Search): RunSearch => ({
  ...oneOf(search, "tab", TABS),
  ...numberBetween(search, "smoothing", 0, 1),
});

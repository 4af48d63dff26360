/** What the page of a dataset keeps in its address. */
import { numberBetween, oneOf, textOf, type Search } from "../../kit/search";

const TABS = ["rows", "statistics", "check", "versions", "runs"] as const;
export type DatasetTab = (typeof TABS)[number];

export interface DatasetSearch {
  tab?: DatasetTab;
  /** The version that is looked at; the newest where it is left out. */
  version?: number;
  /** The row that is shown first, from 1. */
  row?: number;
  /** For which recipe, and with which model, the data are checked. */
  recipe?: string;
  model?: string;
  /** The version with which the one that is looked at is compared. */
  old?: number;
}

export const datasetSearchOf = (search: Search): DatasetSearch => ({
  ...oneOf(search, "tab", TABS),
  ...numberBetween(search, "version", 0, 2 ** 31),
  ...numberBetween(search, "row", 0, 2 ** 53),
  ...textOf(search, "recipe"),
  ...textOf(search, "model"),
  ...numberBetween(search, "old", 0, 2 ** 31),
});

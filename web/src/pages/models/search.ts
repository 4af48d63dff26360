/** What the list of models keeps in its address. */
import { KINDS, type ModelKind } from "../../kit/models";
import { oneOf, textOf, type Search } from "../../kit/search";

const TABS = ["models", "deployments"] as const;
export type ModelsTab = (typeof TABS)[number];

export interface ModelsSearch {
  tab?: ModelsTab;
  kind?: ModelKind;
  /** A part of the name. */
  search?: string;
}

export const modelsSearchOf = (search: Search): ModelsSearch => ({
  ...oneOf(search, "tab", TABS),
  ...oneOf(search, "kind", KINDS),
  ...textOf(search, "search"),
});

/** What the page of a new run takes from its address. */
import { textOf, type Search } from "../../kit/search";

export interface NewSearch {
  recipe?: string;
  /** The run whose settings are the beginning. */
  from?: string;
  model?: string;
  /** The data to train on: a path, or `dataset:NAME@VERSION`. */
  data?: string;
}

export const newSearchOf = (search: Search): NewSearch => ({
  ...textOf(search, "recipe"),
  ...textOf(search, "from"),
  ...textOf(search, "model"),
  ...textOf(search, "data"),
});

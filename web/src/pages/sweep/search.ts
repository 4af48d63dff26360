/** What the page of a sweep keeps in its address: by what its runs are ranked. */
import type { Ranking } from "../../api/sweeps";
import { oneOf, textOf, type Search } from "../../kit/search";

export const sweepSearchOf = (search: Search): Ranking => ({
  ...textOf(search, "metric"),
  ...oneOf(search, "goal", ["min", "max"] as const),
});

import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { root } from "../../app/root";
import { textOf, type Search } from "../../kit/search";

export interface TourSearch {
  /** The dataset that was stored, as a configuration names it. */
  data?: string;
  /** The run that trains on it. */
  run?: string;
}

export const tour = createRoute({
  getParentRoute: () => root,
  path: "/tour",
  validateSearch: (search: Search): TourSearch => ({ ...textOf(search, "data"), ...textOf(search, "run") }),
  component: lazyRouteComponent(() => import("./Tour"), "Tour"),
});

import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { root } from "../../app/root";
import { textOf, type Search } from "../../kit/search";

export const datasets = createRoute({
  getParentRoute: () => root,
  path: "/datasets",
  validateSearch: (search: Search): { search?: string } => textOf(search, "search"),
  component: lazyRouteComponent(() => import("./Datasets"), "Datasets"),
});

import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import type { RunFilter } from "../../api/runs";
import { root } from "../../app/root";
import { oneOf, textOf, type Search } from "../../kit/search";
import { RUN_STATUSES } from "../../kit/status";

export const runs = createRoute({
  getParentRoute: () => root,
  path: "/runs",
  validateSearch: (search: Search): RunFilter => ({
    ...oneOf(search, "status", RUN_STATUSES),
    ...textOf(search, "recipe"),
  }),
  component: lazyRouteComponent(() => import("./Runs"), "Runs"),
});

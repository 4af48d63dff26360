import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { root } from "../../app/root";
import { runSearchOf } from "./search";

export const run = createRoute({
  getParentRoute: () => root,
  path: "/runs/$runId",
  validateSearch: runSearchOf,
  component: lazyRouteComponent(() => import("./RunPage"), "RunPage"),
});

import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { root } from "../../app/root";
import { sweepSearchOf } from "./search";

export const sweep = createRoute({
  getParentRoute: () => root,
  path: "/sweeps/$sweepId",
  validateSearch: sweepSearchOf,
  component: lazyRouteComponent(() => import("./SweepPage"), "SweepPage"),
});

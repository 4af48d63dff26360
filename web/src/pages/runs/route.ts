import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { root } from "../../app/root";
import { runsSearchOf } from "./search";

export const runs = createRoute({
  getParentRoute: () => root,
  path: "/runs",
  validateSearch: runsSearchOf,
  component: lazyRouteComponent(() => import("./Runs"), "Runs"),
});

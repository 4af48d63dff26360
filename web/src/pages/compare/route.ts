import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { root } from "../../app/root";
import { compareSearchOf } from "./search";

export const compare = createRoute({
  getParentRoute: () => root,
  path: "/compare",
  validateSearch: compareSearchOf,
  component: lazyRouteComponent(() => import("./Compare"), "Compare"),
});

import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { root } from "../../app/root";
import { playgroundSearchOf } from "./search";

export const playground = createRoute({
  getParentRoute: () => root,
  path: "/playground",
  validateSearch: playgroundSearchOf,
  component: lazyRouteComponent(() => import("./Playground"), "Playground"),
});

import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { root } from "../../app/root";
import { newSearchOf } from "./search";

export const newRun = createRoute({
  getParentRoute: () => root,
  path: "/new",
  validateSearch: newSearchOf,
  component: lazyRouteComponent(() => import("./NewRun"), "NewRun"),
});

import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { root } from "../../app/root";
import { modelsSearchOf } from "./search";

export const models = createRoute({
  getParentRoute: () => root,
  path: "/models",
  validateSearch: modelsSearchOf,
  component: lazyRouteComponent(() => import("./Models"), "Models"),
});

import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { root } from "../../app/root";

export const overview = createRoute({
  getParentRoute: () => root,
  path: "/",
  component: lazyRouteComponent(() => import("./Overview"), "Overview"),
});

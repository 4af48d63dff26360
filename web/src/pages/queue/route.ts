import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { root } from "../../app/root";

export const queue = createRoute({
  getParentRoute: () => root,
  path: "/queue",
  component: lazyRouteComponent(() => import("./QueuePage"), "QueuePage"),
});

import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { root } from "../../app/root";

export const model = createRoute({
  getParentRoute: () => root,
  // A model's name may hold slashes; directly below `/models`, the rest would match the list's address, too.
  path: "/models/named/$",
  component: lazyRouteComponent(() => import("./ModelPage"), "ModelPage"),
});

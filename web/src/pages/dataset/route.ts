import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { root } from "../../app/root";
import { datasetSearchOf } from "./search";

export const dataset = createRoute({
  getParentRoute: () => root,
  path: "/datasets/$datasetId",
  validateSearch: datasetSearchOf,
  component: lazyRouteComponent(() => import("./DatasetPage"), "DatasetPage"),
});

/** The pages by address. All of a view's state is in the address, so that it survives a reload and can be shared. */
import { createRouter, parseSearchWith, stringifySearchWith } from "@tanstack/react-router";
import { valueOf } from "../kit/search";
import { admin } from "../pages/admin/route";
import { compare } from "../pages/compare/route";
import { dataset } from "../pages/dataset/route";
import { datasets } from "../pages/datasets/route";
import { model } from "../pages/model/route";
import { models } from "../pages/models/route";
import { newRun } from "../pages/new/route";
import { overview } from "../pages/overview/route";
import { playground } from "../pages/playground/route";
import { queue } from "../pages/queue/route";
import { run } from "../pages/run/route";
import { runs } from "../pages/runs/route";
import { sweep } from "../pages/sweep/route";
import { sweeps } from "../pages/sweeps/route";
import { tour } from "../pages/tour/route";
import { root } from "./root";
import { RouteError } from "./RouteError";

export const router = createRouter({
  routeTree: root.addChildren([
    admin, compare, dataset, datasets, model, models, newRun, overview, playground, queue, run, runs, sweep,
    sweeps, tour,
  ]),
  basepath: "/ui",
  defaultPreload: "intent",
  defaultErrorComponent: RouteError,
  parseSearch: parseSearchWith(valueOf),
  stringifySearch: stringifySearchWith(JSON.stringify, valueOf),
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

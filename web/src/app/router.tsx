/** The pages by address. All of a view's state is in the address, so that it survives a reload and can be shared. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { LoginGate } from "./LoginGate";
import { NotFound } from "./NotFound";
import { RUN_STATUSES } from "../kit/status";
import type { RunStatus } from "../api/client";

export interface RunsSearch {
  status?: RunStatus;
  recipe?: string;
}

export interface RunSearch {
  tab?: "curves" | "log" | "events" | "configuration";
  smoothing?: number;
}

const TABS = ["curves", "log", "events", "configuration"] as const;

const root = createRootRoute({ component: LoginGate, notFoundComponent: NotFound });

const overview = createRoute({
  getParentRoute: () => root,
  path: "/",
  component: lazyRouteComponent(() => import("../pages/overview/Overview"), "Overview"),
});

const runs = createRoute({
  getParentRoute: () => root,
  path: "/runs",
  validateSearch: (search: Record<string, unknown>): RunsSearch => ({
    ...pick("status", RUN_STATUSES, search["status"]),
    ...(typeof search["recipe"] === "string" && search["recipe"] !== "" ? { recipe: search["recipe"] } : {}),
  }),
  component: lazyRouteComponent(() => import("../pages/runs/Runs"), "Runs"),
});

const run = createRoute({
  getParentRoute: () => root,
  path: "/runs/$runId",
  validateSearch: (search: Record<string, unknown>): RunSearch => ({
    ...pick("tab", TABS, search["tab"]),
    ...smoothingOf(search["smoothing"]),
  }),
  component: lazyRouteComponent(() => import("../pages/run/RunPage"), "RunPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([overview, runs, run]),
  basepath: "/ui",
  defaultPreload: "intent",
});

function pick<K extends string, T extends string>(key: K, allowed: readonly T[], value: unknown): Partial<Record<K, T>> {
  const found = allowed.find((one) => one === value);
  return found === undefined ? {} : ({ [key]: found } as Record<K, T>);
}

function smoothingOf(value: unknown): RunSearch {
  return typeof value === "number" && value > 0 && value < 1 ? { smoothing: value } : {};
}

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

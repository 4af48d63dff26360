/** The states of a run, as the page shows them. */
import { msg } from "@lingui/core/macro";
import type { MessageDescriptor } from "@lingui/core";
import type { RunStatus } from "../api/client";

export const RUN_STATUSES = [
  "queued",
  "starting",
  "running",
  "paused",
  "succeeded",
  "failed",
  "cancelled",
] as const satisfies readonly RunStatus[];

export const FINISHED: ReadonlySet<RunStatus> = new Set(["succeeded", "failed", "cancelled"]);

export const STATUS_WORDS: Record<RunStatus, MessageDescriptor> = {
  queued: msg`queued`,
  starting: msg`starting`,
  running: msg`running`,
  paused: msg`paused`,
  succeeded: msg`succeeded`,
  failed: msg`failed`,
  cancelled: msg`cancelled`,
};

export const STATUS_COLORS: Record<RunStatus, string> = {
  queued: "gray",
  starting: "blue",
  running: "blue",
  paused: "yellow",
  succeeded: "green",
  failed: "red",
  cancelled: "gray",
};

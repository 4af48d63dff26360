/** The states of a deployment, as the page shows them. */
import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";
import type { Schemas } from "../api/client";

type DeploymentStatus = Schemas["DeploymentStatus"];

export const DEPLOYMENT_WORDS: Record<DeploymentStatus, MessageDescriptor> = {
  starting: msg`starting`,
  running: msg`running`,
  stopping: msg`stopping`,
  stopped: msg`stopped`,
  failed: msg`failed`,
};

export const DEPLOYMENT_COLORS: Record<DeploymentStatus, string> = {
  starting: "blue",
  running: "green",
  stopping: "yellow",
  stopped: "gray",
  failed: "red",
};

/** The names of the groups of settings. */
import type { I18n, MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";
import type { Schemas } from "../../api/client";

const TITLES: Record<string, MessageDescriptor> = {
  basic: msg`The usual settings`,
  method: msg`The method's own settings`,
  data: msg`Reading the data`,
  optimization: msg`Optimization`,
  adapter: msg`Adapter (LoRA)`,
  memory: msg`Precision and memory`,
  evaluation: msg`Evaluation and samples`,
  checkpoints: msg`Checkpoints`,
  tracking: msg`Experiment trackers`,
  output: msg`Output and secrets`,
};

/** Returns the group's title in the language, or as the server tells it. */
export function titleOf(group: Schemas["SettingGroup"], i18n: I18n): string {
  const known = TITLES[group.name];
  return known ? i18n._(known) : group.title;
}

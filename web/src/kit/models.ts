/** The kinds of models, and a trained one under one of its names. */
import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";

interface Named {
  name: string;
  kind: string;
  path?: string | null;
}

export const KINDS = ["output", "alias", "built-in"] as const;
export type ModelKind = (typeof KINDS)[number];

export const KIND_WORDS: Record<ModelKind, MessageDescriptor> = {
  output: msg`trained here`,
  alias: msg`named by the administrator`,
  "built-in": msg`built-in`,
};

/** Returns each model once: a run's output is listed under its path, and under a name as OpenAI's clients know it. */
export function withoutSecondNames<T extends Named>(models: readonly T[]): T[] {
  return models.filter(({ kind }) => kind !== "fine-tuned");
}

/** Returns the name by which OpenAI's clients know a run's output. */
export function fineTunedName<T extends Named>(models: readonly T[], path: string | null | undefined): string | undefined {
  return path ? models.find((model) => model.kind === "fine-tuned" && model.path === path)?.name : undefined;
}

/** Returns the model of a name, whichever of its names that is. */
export function modelOf<T extends Named>(models: readonly T[], name: string): T | undefined {
  const found = models.find((model) => model.name === name);
  if (found?.kind !== "fine-tuned") return found;
  return models.find((model) => model.kind === "output" && model.path === found.path) ?? found;
}

/** The request that a draft stands for, and the same for a shell and for Python. */
import type { Recipe, SubmissionBody } from "../../api/submissions";
import { isSweep } from "../../kit/settings";
import type { Draft } from "./useDraft";

/** Returns the request; settings that the recipe does not have stay, so that the server can name them. */
export function bodyOf(draft: Draft): SubmissionBody {
  const { recipe, config, name, priority, gpus, shared, metric, goal } = draft;
  return {
    recipe,
    config,
    labels: {},
    priority,
    resources: { ...(gpus === null ? {} : { gpus }), cpu_slots: 1 },
    shared,
    ...(name.trim() ? { name: name.trim() } : {}),
    ...(metric.trim() ? { metric: metric.trim() } : {}),
    ...(goal ? { goal } : {}),
  };
}

export function isSweepOf(draft: Draft, recipe: Recipe): boolean {
  return isSweep(recipe.settings, draft.config);
}

/** Returns the request without what is the default anyway, as a person would write it; a run alone has no best. */
function shortBody(draft: Draft, sweeps: boolean): Record<string, unknown> {
  const { recipe, config, name, priority, gpus, shared, metric, goal } = draft;
  return {
    recipe,
    config,
    ...(name.trim() ? { name: name.trim() } : {}),
    ...(priority ? { priority } : {}),
    ...(gpus === null ? {} : { resources: { gpus } }),
    ...(shared ? { shared } : {}),
    ...(sweeps && metric.trim() ? { metric: metric.trim() } : {}),
    ...(sweeps && goal ? { goal } : {}),
  };
}

export function curlOf(draft: Draft, sweeps: boolean): string {
  const json = JSON.stringify(shortBody(draft, sweeps), null, 2).replaceAll("'", "'\\''");
  return [
    `curl ${location.origin}/api/v1/${sweeps ? "sweeps" : "runs"} \\`,
    "  -H 'Content-Type: application/json' \\",
    '  -H "Authorization: Bearer $FINERY_API_KEY" \\',
    `  -d '${json}'`,
  ].join("\n");
}

export function pythonOf(draft: Draft, sweeps: boolean): string {
  const { recipe, config, ...rest } = shortBody(draft, sweeps);
  const { resources, ...others } = rest as { resources?: { gpus: number } };
  const named = Object.entries(others).map(([key, value]) => `    ${key}=${literalOf(value)},`);
  const devices = resources ? [`    resources=Resources(gpus=${resources.gpus}),`] : [];
  const call = sweeps ? "client.sweeps.create" : "client.create_run";
  const end = sweeps
    ? ["    for each in found.runs:", "        print(each.run.id, each.run.name)"]
    : ["    for event in client.follow(found.id):", "        print(event.type, event.data)"];
  return [
    "from finery.client import FineryClient",
    ...(resources ? ["from finery.contracts.run import Resources"] : []),
    "",
    `config = ${literalOf(config)}`,
    "",
    `with FineryClient(url=${JSON.stringify(location.origin)}) as client:`,
    `    found = ${call}(`,
    `        ${literalOf(recipe)},`,
    "        config,",
    ...[...named, ...devices].map((line) => `    ${line}`),
    "    )",
    ...end,
  ].join("\n");
}

/** Returns a JSON value as Python writes it. */
function literalOf(value: unknown, indent = ""): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map((each) => literalOf(each, indent)).join(", ")}]`;
  if (typeof value === "object") {
    const inner = `${indent}    `;
    const lines = Object.entries(value).map(([key, each]) => `${inner}${JSON.stringify(key)}: ${literalOf(each, inner)},`);
    return lines.length === 0 ? "{}" : `{\n${lines.join("\n")}\n${indent}}`;
  }
  return JSON.stringify(value);
}

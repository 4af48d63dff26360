/** Groups the names of metrics by what they tell. */

const PACE = new Set(["tokens_per_second", "samples_per_second", "steps_per_second", "step_seconds", "memory_bytes"]);

/** `train`, `eval`, `pace`, or the part of the name before its first slash. */
export function groupOf(name: string): string {
  if (/^eval[_/]/.test(name)) return "eval";
  if (PACE.has(name)) return "pace";
  const slash = name.indexOf("/");
  return slash > 0 ? name.slice(0, slash) : "train";
}

/** The loss comes first: it is what people look for. */
function byImportance(a: string, b: string): number {
  const rank = (name: string) => (/^(eval[_/])?loss$/.test(name) ? 0 : 1);
  return rank(a) - rank(b) || a.localeCompare(b);
}

/** Returns the groups with their names, training first, then evaluation, then the others by name. */
export function grouped(names: readonly string[]): [string, string[]][] {
  const groups = new Map<string, string[]>();
  for (const name of [...names].sort(byImportance)) groups.set(groupOf(name), [...(groups.get(groupOf(name)) ?? []), name]);
  const rank = (group: string) => ["train", "eval"].indexOf(group) >>> 0;
  return [...groups].sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b));
}

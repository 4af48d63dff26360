/** The metrics by which the runs of a sweep can be ranked: all numbers that one of them has told. */
import type { SweepDetails } from "../../api/sweeps";

const NO_METRICS = new Set(["fraction", "step", "total_steps", "epoch", "total_epochs", "eta_seconds"]);

export function metricsOf(sweep: SweepDetails): string[] {
  const found = new Set([sweep.ranked_by]);
  for (const { run } of sweep.runs) {
    const { evaluation, ...progress } = run.progress;
    for (const name of numbersIn(progress)) found.add(name);
    for (const name of numbersIn(evaluation ?? {})) found.add(`eval_${name}`);
  }
  return [...found].sort();
}

function numbersIn(values: Record<string, unknown>): string[] {
  return Object.keys(values).filter((name) => typeof values[name] === "number" && !NO_METRICS.has(name));
}

/** The metrics by which the runs of a sweep can be ranked, and their order by the one that is chosen. */
import type { SweepDetails, SweepRun } from "../../api/sweeps";

const NO_METRICS = new Set(["fraction", "step", "total_steps", "epoch", "total_epochs", "eta_seconds"]);

/** Returns all numbers that one of the runs has told. */
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

/** Returns the runs, the best first; those without a value come last. */
export function ranked(sweep: SweepDetails): SweepRun[] {
  const sign = sweep.ranked_for === "min" ? 1 : -1;
  const rank = ({ score }: SweepRun) => (score === null ? Number.POSITIVE_INFINITY : sign * score);
  return [...sweep.runs].sort((one, other) => rank(one) - rank(other) || one.run.number - other.run.number);
}

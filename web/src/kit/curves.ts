/** What a curve is drawn from: columns by step, and a smoothed line over the raw one. */

export interface Point {
  step: number;
  values: Record<string, number>;
}

/** Keys of a metrics event that place it, or tell of the run's pace, and are no curve of their own. */
const NOT_DRAWN = new Set(["step", "epoch", "total_steps", "total_epochs", "eta_seconds", "at"]);

/** Returns the point of an event's data; null for one without a step. Evaluations get the prefix `eval_`. */
export function pointOf(type: string, data: Record<string, unknown>): Point | null {
  const step = data["step"];
  if (typeof step !== "number") return null;
  const prefix = type === "evaluation" ? "eval_" : "";
  const numbers = Object.entries(data).filter(
    (entry): entry is [string, number] => typeof entry[1] === "number" && !NOT_DRAWN.has(entry[0]),
  );
  return { step, values: Object.fromEntries(numbers.map(([key, value]) => [prefix + key, value])) };
}

/** Returns the names of all metrics, in order of first appearance. */
export function metricNames(points: readonly Point[]): string[] {
  return [...new Set(points.flatMap((point) => Object.keys(point.values)))];
}

/** Returns steps and values of one metric, each step once: a run that resumed tells some of them again. */
export function columnOf(points: readonly Point[], name: string): [number[], number[]] {
  const byStep = new Map<number, number>();
  for (const point of points) {
    const value = point.values[name];
    if (value !== undefined) byStep.set(point.step, value);
  }
  const steps = [...byStep.keys()].sort((a, b) => a - b);
  return [steps, steps.map((step) => byStep.get(step) as number)];
}

/**
 * Returns the exponential moving average, with the correction of Adam (Kingma and Ba, 2015, section 3) for its start
 * at zero. `weight`: the share of the past, from 0 (nothing is smoothed) to below 1. NaN is left out.
 */
export function smoothed(values: readonly number[], weight: number): number[] {
  let sum = 0;
  let norm = 0;
  return values.map((value) => {
    if (!Number.isFinite(value)) return value;
    sum = weight * sum + (1 - weight) * value;
    norm = weight * norm + (1 - weight);
    return sum / norm;
  });
}

/** The metrics of a run as columns: sampled by the server once, then each event added as the stream tells it. */
import { Series, type X } from "../kit/series";
import { api, dataOf, type RunEvent, type Schemas } from "./client";

/** Points of each metric; the server tells the least and greatest of each bucket of steps. */
const POINTS = 2_000;
/** They place a point, or tell how far the run has come, and are no curve. */
const PLACES = new Set(["step", "epoch", "tokens", "total_steps", "total_epochs", "eta_seconds", "fraction"]);
const COLUMNS = ["tokens", "times"] as const;

export interface StepRange {
  from: number;
  to: number;
}

/** It changes in place; those who draw it are called, and all others see its `version`. */
export class RunCurves {
  readonly series = new Map<string, Series>();
  private readonly listeners = new Set<() => void>();
  private attempt = 0;
  private lastStep = -Infinity;
  hasTokens = false;

  /** Returns whether a metric came that was not there before. */
  add(events: readonly RunEvent[]): boolean {
    const before = this.series.size;
    for (const event of events) if (event.type === "progress" || event.type === "evaluation") this.addEvent(event);
    for (const listener of this.listeners) listener();
    return this.series.size > before;
  }

  addSampled(sampled: Schemas["SampledMetrics"]): void {
    for (const { name, steps, values, means, tokens, times } of sampled.series) {
      const series = this.seriesOf(name);
      steps.forEach((step, place) => {
        const value = values[place] ?? NaN;
        series.add(step, value, tokens?.[place] ?? NaN, times?.[place] ?? NaN, means?.[place] ?? value);
      });
      this.hasTokens ||= tokens?.some((count) => count !== null) ?? false;
      this.lastStep = Math.max(this.lastStep, steps.at(-1) ?? -Infinity);
    }
  }

  onAdd(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Whether the points can be drawn over it. */
  has(x: X): boolean {
    return x !== "tokens" || this.hasTokens;
  }

  private addEvent(event: RunEvent): void {
    const data = event.data as Record<string, unknown>;
    const step = data["step"];
    if (typeof step !== "number") return;
    // An attempt that goes on from a checkpoint tells some steps again; an evaluation follows its step's progress.
    const isAgain = event.type === "evaluation" ? step < this.lastStep : step <= this.lastStep;
    if (event.attempt > this.attempt && isAgain)
      for (const series of this.series.values()) series.takeBack(step);
    this.attempt = Math.max(this.attempt, event.attempt);
    this.lastStep = step;
    const tokens = typeof data["tokens"] === "number" ? data["tokens"] : NaN;
    this.hasTokens ||= !Number.isNaN(tokens);
    const prefix = event.type === "evaluation" ? "eval_" : "";
    for (const [key, value] of Object.entries(data)) {
      if (PLACES.has(key) || (typeof value !== "number" && value !== null)) continue;
      const name = key.startsWith(prefix) ? key : prefix + key;
      this.seriesOf(name).add(step, value ?? NaN, tokens, event.at);
    }
  }

  private seriesOf(name: string): Series {
    let series = this.series.get(name);
    if (series === undefined) this.series.set(name, (series = new Series()));
    return series;
  }
}

/** Reads the metrics of a run, or of a range of its steps, and the number of the last event that they tell. */
export async function readCurves(runId: string, range?: StepRange): Promise<{ curves: RunCurves; sequence: number }> {
  const steps = range ? { from_step: Math.floor(range.from), to_step: Math.ceil(range.to) } : {};
  const sampled = dataOf(
    await api.GET("/api/v1/runs/{run_id}/metrics/series", {
      params: { path: { run_id: runId }, query: { points: POINTS, x: [...COLUMNS], ...steps } },
    }),
  );
  const curves = new RunCurves();
  curves.addSampled(sampled);
  return { curves, sequence: sampled.sequence };
}

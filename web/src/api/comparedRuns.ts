/** Several runs with their metrics, for a comparison. */
import { useQueries } from "@tanstack/react-query";
import { FINISHED } from "../kit/status";
import { api, dataOf, type Run } from "./client";

/** Points of each curve; of longer ones the server tells the least and greatest values of each stretch. */
const POINTS = 1_000;
const REFRESH_MS = 5_000;

/** One metric by step; null where it was no number. */
export interface TimedSeries {
  name: string;
  steps: number[];
  values: (number | null)[];
  /** Of each point's bucket of steps; none where each point stands for itself. */
  means: (number | null)[] | null;
  /** Since the run's first step was told. */
  seconds: number[];
}

export interface ComparedRun {
  run: Run;
  series: TimedSeries[];
}

/** Returns those that have come, in the order asked for, and the first error. */
export function useComparedRuns(ids: readonly string[]) {
  const answers = useQueries({
    queries: ids.map((id) => ({
      queryKey: ["compared", id],
      queryFn: () => readCompared(id),
      refetchInterval: (query: { state: { data: ComparedRun | undefined } }) =>
        query.state.data && FINISHED.has(query.state.data.run.status) ? false : REFRESH_MS,
    })),
  });
  return {
    compared: answers.flatMap((answer) => (answer.data ? [answer.data] : [])),
    isPending: answers.some((answer) => answer.isPending),
    error: answers.find((answer) => answer.error)?.error ?? null,
  };
}

async function readCompared(id: string): Promise<ComparedRun> {
  const path = { run_id: id };
  const [run, { series }] = await Promise.all([
    api.GET("/api/v1/runs/{run_id}", { params: { path } }).then(dataOf),
    api
      .GET("/api/v1/runs/{run_id}/metrics/series", { params: { path, query: { points: POINTS, x: ["times"] } } })
      .then(dataOf),
  ]);
  const times = series.map((one) => one.times ?? []);
  const start = Math.min(...times.flatMap((told) => told.slice(0, 1)));
  return {
    run,
    series: series.map(({ name, steps, values, means }, place) => ({
      name,
      steps,
      values,
      means: means ?? null,
      seconds: (times[place] ?? []).map((at) => at - start),
    })),
  };
}

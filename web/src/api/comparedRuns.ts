/** Several runs with their metrics, for a comparison. */
import { useQueries } from "@tanstack/react-query";
import { pointOf, type Point } from "../kit/curves";
import { FINISHED } from "../kit/status";
import { api, dataOf, type Run } from "./client";

/** Points of each run; the server thins out longer ones. */
const POINTS = 500;
const REFRESH_MS = 5_000;

export interface TimedPoint extends Point {
  /** Seconds since the run's first point. */
  seconds: number;
}

export interface ComparedRun {
  run: Run;
  points: TimedPoint[];
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
  const [run, metrics] = await Promise.all([
    api.GET("/api/v1/runs/{run_id}", { params: { path } }).then(dataOf),
    api.GET("/api/v1/runs/{run_id}/metrics", { params: { path, query: { points: POINTS } } }).then(dataOf),
  ]);
  const start = Number(metrics.points[0]?.["at"] ?? 0);
  const points = metrics.points.flatMap((told) => {
    const point = pointOf(String(told["type"]), told);
    return point ? [{ ...point, seconds: Number(told["at"]) - start }] : [];
  });
  return { run, points };
}

/** Runs as the server has them, and what can be asked of one. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { FINISHED } from "../kit/status";
import { api, dataOf, type RunStatus } from "./client";
import type { RunSort } from "./runList";
import { useRefetchInterval } from "./live";

const REFRESH_MS = 3_000;

/** The runs that are in one of these states, the latest first. */
export function useRunsIn(status: RunStatus[], sort: RunSort, limit: number) {
  const refetchInterval = useRefetchInterval(REFRESH_MS);
  return useQuery({
    queryKey: ["runs", "in", status, sort, limit],
    queryFn: async () => {
      const query = { status, sort, direction: "desc" as const, limit };
      return dataOf(await api.GET("/api/v1/runs", { params: { query } }));
    },
    // A change is told before the list is read again: what has left these states is left out at once.
    select: ({ runs }) => runs.filter((run) => status.includes(run.status)),
    refetchInterval,
  });
}

export function useRun(runId: string) {
  const interval = useRefetchInterval(REFRESH_MS);
  return useQuery({
    queryKey: ["run", runId],
    queryFn: async () => dataOf(await api.GET("/api/v1/runs/{run_id}", { params: { path: { run_id: runId } } })),
    refetchInterval: (query) => (query.state.data && FINISHED.has(query.state.data.status) ? false : interval),
  });
}

export type RunAction = "cancel" | "stop" | "pause" | "resume" | "checkpoint";

export function useRunAction(runId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (action: RunAction) =>
      dataOf(await api.POST(`/api/v1/runs/{run_id}/${action}`, { params: { path: { run_id: runId } } })),
    onSettled: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: ["run", runId] }),
        client.invalidateQueries({ queryKey: ["runs"] }),
      ]),
  });
}

export function useSystem() {
  return useQuery({
    queryKey: ["system"],
    queryFn: async () => dataOf(await api.GET("/api/v1/system")),
    refetchInterval: 10_000,
  });
}

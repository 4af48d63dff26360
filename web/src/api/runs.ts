/** Runs as the server has them, and what can be asked of one. */
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { FINISHED } from "../kit/status";
import { api, dataOf, type RunStatus } from "./client";
import { useRefetchInterval } from "./live";

export interface RunFilter {
  status?: RunStatus;
  recipe?: string;
}

const PAGE = 50;
const REFRESH_MS = 3_000;

export function useRuns(filter: RunFilter) {
  const refetchInterval = useRefetchInterval(REFRESH_MS);
  return useInfiniteQuery({
    queryKey: ["runs", filter],
    queryFn: async ({ pageParam }) =>
      dataOf(
        await api.GET("/api/v1/runs", {
          params: {
            query: {
              limit: PAGE,
              ...(pageParam ? { cursor: pageParam } : {}),
              ...(filter.status ? { status: [filter.status] } : {}),
              ...(filter.recipe ? { recipe: filter.recipe } : {}),
            },
          },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
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
      api.POST(`/api/v1/runs/{run_id}/${action}`, { params: { path: { run_id: runId } } }),
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

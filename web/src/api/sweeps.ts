/** Sweeps: runs of one request that differ in some settings. */
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { FINISHED } from "../kit/status";
import { api, dataOf, type Schemas } from "./client";
import { useRefetchInterval } from "./live";

export type Sweep = Schemas["Sweep"];
export type SweepDetails = Schemas["SweepDetails"];
export type SweepRun = Schemas["SweepRun"];
export type Goal = Schemas["Goal"];

export interface Ranking {
  metric?: string;
  goal?: Goal;
}

const REFRESH_MS = 3_000;
/** The stream tells when a run of it changes its state, not its values. */
const VALUES_MS = 5_000;

export function useSweep(sweepId: string, ranking: Ranking) {
  const interval = useRefetchInterval(REFRESH_MS);
  return useQuery({
    queryKey: ["sweeps", sweepId, ranking],
    queryFn: async () =>
      dataOf(
        await api.GET("/api/v1/sweeps/{sweep_id}", { params: { path: { sweep_id: sweepId }, query: ranking } }),
      ),
    refetchInterval: ({ state }) =>
      interval || (state.data?.runs.some(({ run }) => !FINISHED.has(run.status)) ? VALUES_MS : false),
  });
}

export function useSweeps() {
  return useInfiniteQuery({
    queryKey: ["sweeps", "list"],
    queryFn: async ({ pageParam }) =>
      dataOf(
        await api.GET("/api/v1/sweeps", { params: { query: { limit: 50, ...(pageParam ? { cursor: pageParam } : {}) } } }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: useRefetchInterval(REFRESH_MS),
  });
}

export function useCancelSweep(sweepId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async () =>
      api.POST("/api/v1/sweeps/{sweep_id}/cancel", { params: { path: { sweep_id: sweepId } } }),
    onSettled: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: ["sweeps"] }),
        client.invalidateQueries({ queryKey: ["runs"] }),
      ]),
  });
}

export function useDeleteSweep(sweepId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async () => api.DELETE("/api/v1/sweeps/{sweep_id}", { params: { path: { sweep_id: sweepId } } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["sweeps", "list"] }),
  });
}

/** What a run has made: samples, checkpoints and artifacts; and what can be done with the run as a whole. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type RunEvent, type Schemas } from "./client";

/** Samples of the past that are shown. */
const SAMPLES = 300;
const NEWEST = 2 ** 31 - 1;

export type Sample = Extract<RunEvent, { type: "sample" }>;

/** Returns the last samples, oldest first. */
export function useSamples(runId: string) {
  return useQuery({
    queryKey: ["samples", runId],
    queryFn: async () => {
      const query = { before: NEWEST, limit: SAMPLES, type: ["sample" as const] };
      const path = { run_id: runId };
      const { events } = dataOf(await api.GET("/api/v1/runs/{run_id}/events", { params: { path, query } }));
      return events.filter((event): event is Sample => event.type === "sample").reverse();
    },
  });
}

export function useCheckpoints(runId: string, sequence: number) {
  return useQuery({
    queryKey: ["checkpoints", runId, sequence],
    queryFn: async () =>
      dataOf(await api.GET("/api/v1/runs/{run_id}/checkpoints", { params: { path: { run_id: runId } } })).checkpoints,
    placeholderData: (before: Schemas["Checkpoint"][] | undefined) => before,
  });
}

export function useArtifacts(runId: string, status: string) {
  return useQuery({
    queryKey: ["artifacts", runId, status],
    queryFn: async () =>
      dataOf(await api.GET("/api/v1/runs/{run_id}/artifacts", { params: { path: { run_id: runId } } })).artifacts,
  });
}

export function artifactAddress(artifact: Schemas["Artifact"]): string {
  return `/api/v1/runs/${encodeURIComponent(artifact.run_id)}/artifacts/${artifact.id}/content`;
}

export function useDeploy() {
  return useMutation({
    mutationFn: async (model: string) => {
      const options = { load_in_4bit: false, load_in_8bit: false };
      return dataOf(await api.POST("/api/v1/deployments", { body: { model, engine: "auto", options, shared: false } }));
    },
  });
}

export function useShareRun(runId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (shared: boolean) =>
      api.PATCH("/api/v1/runs/{run_id}", { params: { path: { run_id: runId } }, body: { shared } }),
    onSettled: () => client.invalidateQueries({ queryKey: ["run", runId] }),
  });
}

export function useDeleteRun(runId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async () => api.DELETE("/api/v1/runs/{run_id}", { params: { path: { run_id: runId } } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["runs"] }),
  });
}

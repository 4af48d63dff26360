/** The models that can be named, and the deployments that serve them. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, errorOf, type Schemas } from "./client";
import type { paths } from "./schema";

/** Another dialect has a schema of the same name. */
export type Model = paths["/api/v1/models"]["get"]["responses"][200]["content"]["application/json"]["models"][number];
export type Deployment = Schemas["Deployment"];

const REFRESH_MS = 3_000;
const LOADING_MS = 1_000;
const LOG_LINES = 300;
const AS_IT_IS = { load_in_4bit: false, load_in_8bit: false };

export function useModels() {
  return useQuery({
    queryKey: ["models"],
    queryFn: async () => dataOf(await api.GET("/api/v1/models")).models,
    staleTime: 30_000,
  });
}

/** `isAwaited`: somebody waits for one to be loaded. */
export function useDeployments({ isAwaited = false }: { isAwaited?: boolean } = {}) {
  return useQuery({
    queryKey: ["deployments"],
    queryFn: async () => dataOf(await api.GET("/api/v1/deployments")).deployments,
    refetchInterval: isAwaited ? LOADING_MS : REFRESH_MS,
  });
}

/** The data and models that a run began from, and the runs that go on from it. */
export function useLineage(runId: string | null | undefined) {
  return useQuery({
    queryKey: ["lineage", runId],
    queryFn: async () =>
      dataOf(await api.GET("/api/v1/runs/{run_id}/lineage", { params: { path: { run_id: runId ?? "" } } })),
    enabled: Boolean(runId),
  });
}

export function useArtifacts(runId: string) {
  return useQuery({
    queryKey: ["artifacts", runId],
    queryFn: async () =>
      dataOf(await api.GET("/api/v1/runs/{run_id}/artifacts", { params: { path: { run_id: runId } } })).artifacts,
  });
}

/** The files of an artifact that is a folder; of one that is a file, none. */
export function useFilesOf(artifact: Schemas["Artifact"]) {
  return useQuery({
    queryKey: ["artifacts", artifact.run_id, artifact.id],
    queryFn: async () => {
      const response = await fetch(artifactAddress(artifact));
      if (!response.ok) throw await errorOf(response);
      return ((await response.json()) as { files: { path: string; size_bytes: number }[] }).files;
    },
    enabled: artifact.type !== "file",
    staleTime: Infinity,
  });
}

/** Returns where a file of an artifact can be saved from. */
export function artifactAddress({ run_id: runId, id }: Schemas["Artifact"], inner?: string): string {
  const address = `/api/v1/runs/${encodeURIComponent(runId)}/artifacts/${id}/content`;
  return inner === undefined ? address : `${address}?path=${encodeURIComponent(inner)}`;
}

/** `onGone` is called before the lists are read anew, which may take away who asked. */
export function useDeleteModel(runId: string, onGone: () => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async () => api.DELETE("/api/v1/runs/{run_id}/model", { params: { path: { run_id: runId } } }),
    onSuccess: () => {
      onGone();
      return Promise.all(["models", "run", "runs", "lineage"].map((key) => client.invalidateQueries({ queryKey: [key] })));
    },
  });
}

/** The last lines of what an engine wrote. */
export function useDeploymentLog(deployment: Deployment) {
  const isLive = deployment.finished_at === null;
  return useQuery({
    queryKey: ["deployment log", deployment.id],
    queryFn: async () =>
      dataOf(
        await api.GET("/api/v1/deployments/{deployment_id}/logs", {
          params: { path: { deployment_id: deployment.id }, query: { tail: LOG_LINES } },
        }),
      ).lines ?? [],
    refetchInterval: isLive ? REFRESH_MS : false,
  });
}

/** Starts an engine for the model of a name, which stays until it is stopped. */
export function useDeploy() {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: async (model: string) =>
      dataOf(await api.POST("/api/v1/deployments", { body: { model, engine: "auto", options: AS_IT_IS, shared: false } })),
    onSettled: refresh,
  });
}

export function useShareDeployment() {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: async ({ id, shared }: { id: string; shared: boolean }) =>
      api.PATCH("/api/v1/deployments/{deployment_id}", { params: { path: { deployment_id: id } }, body: { shared } }),
    onSettled: refresh,
  });
}

export function useStopDeployment() {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: async (id: string) =>
      api.DELETE("/api/v1/deployments/{deployment_id}", { params: { path: { deployment_id: id } } }),
    onSettled: refresh,
  });
}

function useRefresh() {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: ["deployments"] });
}

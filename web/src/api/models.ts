/** The models that can be named, and the deployments that serve them. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type Schemas } from "./client";
import type { paths } from "./schema";

/** Another dialect has a schema of the same name. */
export type Model = paths["/api/v1/models"]["get"]["responses"][200]["content"]["application/json"]["models"][number];
export type Deployment = Schemas["Deployment"];

const REFRESH_MS = 3_000;
const LOADING_MS = 1_000;

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

export function useDeploy() {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: async (body: Schemas["CreateDeploymentRequest"]) => dataOf(await api.POST("/api/v1/deployments", { body })),
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

/** What a run or sweep is submitted with: the recipe's settings, a look at what would come of it, and the sending. */
import { useLingui } from "@lingui/react";
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type ApiError, type Schemas } from "./client";

export type Recipe = Schemas["RecipeReference"];
export type RunPreview = Schemas["RunPreview"];
export type SubmissionBody = Schemas["CreateSweepRequest"];

export interface Submitted {
  kind: "run" | "sweep";
  id: string;
}

export function useRecipe(name: string) {
  const { i18n } = useLingui();
  return useQuery({
    queryKey: ["recipes", "settings", name, i18n.locale],
    queryFn: async () => dataOf(await api.GET("/api/v1/recipes/{name}", { params: { path: { name } } })),
    staleTime: Infinity,
  });
}

export function useModelNames(): string[] {
  const models = useQuery({
    queryKey: ["models", "names"],
    queryFn: async () => dataOf(await api.GET("/api/v1/models")).models,
    staleTime: 30_000,
  });
  return [...new Set(models.data?.map((model) => model.name))];
}

/** What would come of the request; nothing is written. */
export function usePreview(body: SubmissionBody, enabled: boolean) {
  const { i18n } = useLingui();
  return useQuery({
    queryKey: ["preview", body, i18n.locale],
    queryFn: async ({ signal }) => dataOf(await api.POST("/api/v1/runs/preview", { body, signal })),
    enabled,
    placeholderData: keepPreviousData,
    // The queue and the devices change meanwhile.
    refetchInterval: 30_000,
    gcTime: 60_000,
  });
}

export function useSubmit() {
  const client = useQueryClient();
  return useMutation<Submitted, ApiError, { body: SubmissionBody; isSweep: boolean; key: string }>({
    mutationFn: async ({ body, isSweep, key }) => (isSweep ? submitSweep(body, key) : submitRun(body, key)),
    onSuccess: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: ["runs"] }),
        client.invalidateQueries({ queryKey: ["sweeps"] }),
      ]),
  });
}

async function submitRun(body: SubmissionBody, key: string): Promise<Submitted> {
  const { metric: _, goal: __, ...run } = body;
  const params = { header: { "Idempotency-Key": key } };
  // The types of each recipe's configuration are the server's to check.
  const answer = await api.POST("/api/v1/runs", { params, body: run as never });
  return { kind: "run", id: dataOf(answer).id };
}

async function submitSweep(body: SubmissionBody, key: string): Promise<Submitted> {
  const params = { header: { "Idempotency-Key": key } };
  return { kind: "sweep", id: dataOf(await api.POST("/api/v1/sweeps", { params, body })).id };
}

/** Stored datasets, their versions and rows, and what can be done with them. */
import { useLingui } from "@lingui/react";
import { useInfiniteQuery, useMutation, useQueries, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type Schemas } from "./client";

export type Dataset = Schemas["Dataset"];
export type DatasetVersion = Schemas["DatasetVersion"];
export type Statistics = Schemas["Statistics"];
export type Lengths = Schemas["Lengths"];
export type PreviewRow = Schemas["PreviewRow"];

const PAGE = 100;
/** Rows that are asked for at a time. */
export const ROWS = 50;

export function useDatasets(search: string | undefined) {
  return useInfiniteQuery({
    queryKey: ["datasets", search ?? ""],
    queryFn: async ({ pageParam }) =>
      dataOf(
        await api.GET("/api/v1/datasets", {
          params: { query: { limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}), ...(search ? { search } : {}) } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
}

export function useDataset(id: string) {
  return useQuery({
    queryKey: ["dataset", id],
    queryFn: async () => dataOf(await api.GET("/api/v1/datasets/{dataset_id}", at(id))),
  });
}

export function useVersions(id: string) {
  return useQuery({
    queryKey: ["dataset", id, "versions"],
    queryFn: async () => dataOf(await api.GET("/api/v1/datasets/{dataset_id}/versions", at(id))).versions,
  });
}

/** What is in a version; the first request for it reads the whole file. A version never changes. */
export function useStatistics(id: string, version: number) {
  return useQuery({
    queryKey: ["statistics", id, version],
    queryFn: async () => dataOf(await api.GET("/api/v1/datasets/{dataset_id}/statistics", asked(id, { version }))),
    staleTime: Infinity,
  });
}

/** Returns pages of rows by their number, from 0; a page that is still read is not there. */
export function useRows(id: string, version: number, pages: readonly number[]) {
  return useQueries({
    queries: pages.map((page) => ({
      queryKey: ["rows", id, version, page],
      queryFn: async () =>
        dataOf(
          await api.GET("/api/v1/datasets/{dataset_id}/preview", asked(id, { version, rows: ROWS, offset: page * ROWS })),
        ),
      staleTime: Infinity,
      gcTime: 60_000,
    })),
    combine: (results) => ({
      error: results.find((result) => result.error)?.error ?? null,
      pages: new Map(pages.map((page, place) => [page, results[place]?.data])),
    }),
  });
}

export function useDatasetRuns(id: string) {
  return useInfiniteQuery({
    queryKey: ["dataset", id, "runs"],
    queryFn: async ({ pageParam }) =>
      dataOf(
        await api.GET("/api/v1/datasets/{dataset_id}/runs", asked(id, { limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) })),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
}

export function useDifference(id: string, old: number | undefined, fresh: number) {
  return useQuery({
    queryKey: ["difference", id, old, fresh],
    queryFn: async () =>
      dataOf(await api.GET("/api/v1/datasets/{dataset_id}/diff", asked(id, { old: old ?? 1, new: fresh }))),
    enabled: old !== undefined,
    staleTime: Infinity,
  });
}

/** Checks whether a run of a recipe may train on the data; with a model, its tokens are counted. */
export function useCheck(path: string, recipe: string, model: string | undefined) {
  return useQuery({
    queryKey: ["check", path, recipe, model ?? ""],
    queryFn: async () =>
      dataOf(
        await api.POST("/api/v1/datasets/check", {
          body: { path, recipe, max_length: 1024, ...(model ? { model } : {}) },
        }),
      ),
    // A path, or the newest version of a dataset, may hold something else by then.
    staleTime: 30_000,
  });
}

export function useRecipes() {
  const { i18n } = useLingui();
  return useQuery({
    // Titles are told in the page's language.
    queryKey: ["recipes", "titles", i18n.locale],
    queryFn: async () => dataOf(await api.GET("/api/v1/recipes")).recipes,
    staleTime: Infinity,
  });
}

export function useChangeDataset(id: string) {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: async (body: Schemas["DatasetChanges"]) =>
      api.PATCH("/api/v1/datasets/{dataset_id}", { ...at(id), body }),
    onSettled: refresh,
  });
}

export function useRestoreVersion(id: string) {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: async (version: number) =>
      api.POST("/api/v1/datasets/{dataset_id}/restore", { ...at(id), body: { version } }),
    onSettled: refresh,
  });
}

export function useDeleteDataset(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async () => api.DELETE("/api/v1/datasets/{dataset_id}", at(id)),
    onSuccess: () => client.invalidateQueries({ queryKey: ["datasets"] }),
  });
}

/** Returns where a version's file can be saved from. */
export function contentAddress(id: string, version: number): string {
  return `/api/v1/datasets/${encodeURIComponent(id)}/content?version=${version}`;
}

function useRefresh() {
  const client = useQueryClient();
  return () =>
    Promise.all([
      client.invalidateQueries({ queryKey: ["dataset"] }),
      client.invalidateQueries({ queryKey: ["datasets"] }),
      client.invalidateQueries({ queryKey: ["check"] }),
    ]);
}

function at(id: string) {
  return { params: { path: { dataset_id: id } } };
}

function asked<Q extends object>(id: string, query: Q) {
  return { params: { path: { dataset_id: id }, query } };
}

/** The list of runs, page by page from anywhere in it; only the pages in sight are kept and asked for anew. */
import { keepPreviousData, useQueries, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, dataOf, type Run, type RunStatus, type Schemas } from "./client";
import { useRefetchInterval } from "./live";

export type RunSort = Schemas["RunSort"];
export type SortDirection = Schemas["SortDirection"];

export interface RunListFilter {
  status?: RunStatus[];
  recipe?: string;
  /** A part of the name. */
  name?: string;
  /** `name=value` */
  label?: string;
  owner?: string;
  /** How the id begins. */
  id?: string;
  /** Days in the reader's zone, both included. */
  after?: string;
  before?: string;
  sort?: RunSort;
  direction?: SortDirection;
}

export const PAGE = 50;
const REFRESH_MS = 3_000;
/** Pages that were scrolled out of sight are forgotten after so long. */
const FORGET_MS = 10_000;

/** Returns how many runs there are; undefined as long as nothing has been answered. */
export function useRunCount(filter: RunListFilter): number | undefined {
  const { sort: _, direction: __, ...counted } = filter;
  const count = useQuery({
    queryKey: ["runs", "count", counted],
    queryFn: async () => {
      const query = { ...queryOf(counted), limit: 1, with_total: true };
      return dataOf(await api.GET("/api/v1/runs", { params: { query } })).total ?? 0;
    },
    refetchInterval: useRefetchInterval(REFRESH_MS),
    placeholderData: keepPreviousData,
  });
  return count.data;
}

export interface RunList {
  runAt: (index: number) => Run | undefined;
  /** Those that have come. */
  runs: Run[];
  error: Error | null;
  refetch: () => void;
}

/** Returns the runs from `first` to `last`, counted from 0, as far as they have come. */
export function useRunList(filter: RunListFilter, first: number, last: number): RunList {
  const refetchInterval = useRefetchInterval(REFRESH_MS);
  const start = Math.floor(first / PAGE);
  const answers = useQueries({
    queries: Array.from({ length: Math.floor(last / PAGE) - start + 1 }, (_, place) => ({
      queryKey: ["runs", "list", filter, start + place],
      queryFn: () => readPage(filter, start + place),
      refetchInterval,
      gcTime: FORGET_MS,
    })),
  });
  return {
    runAt: (index) => answers[Math.floor(index / PAGE) - start]?.data?.runs[index % PAGE],
    runs: answers.flatMap((answer) => answer.data?.runs ?? []),
    error: answers.find((answer) => answer.error)?.error ?? null,
    refetch: () => answers.forEach((answer) => void answer.refetch()),
  };
}

async function readPage(filter: RunListFilter, page: number) {
  const query = { ...queryOf(filter), limit: PAGE, offset: page * PAGE };
  return dataOf(await api.GET("/api/v1/runs", { params: { query } }));
}

function queryOf({ id, after, before, ...rest }: RunListFilter) {
  return {
    ...rest,
    ...(id ? { id_prefix: id } : {}),
    // Date alone would mean midnight in UTC.
    ...(after ? { created_after: new Date(`${after}T00:00:00`).toISOString() } : {}),
    ...(before ? { created_before: new Date(`${before}T23:59:59.999`).toISOString() } : {}),
  };
}

/** Returns the names of users by their ids, where the reader may see users. */
export function useOwnerNames(mayRead: boolean): Map<string, string> {
  const users = useQuery({
    queryKey: ["users", "names"],
    queryFn: async () => dataOf(await api.GET("/api/v1/users")),
    enabled: mayRead,
    staleTime: 60_000,
  });
  return useMemo(() => new Map(users.data?.users.map((user) => [user.id, user.username]) ?? []), [users.data]);
}

export function useRecipeNames(): string[] {
  const recipes = useQuery({
    queryKey: ["recipes", "names"],
    queryFn: async () => dataOf(await api.GET("/api/v1/recipes")),
    staleTime: Infinity,
  });
  return recipes.data?.recipes.map((recipe) => recipe.name) ?? [];
}

/** Who did what. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { api, dataOf, type Schemas } from "./client";

export interface AuditFilter {
  user_id?: string;
  action?: string;
  target?: string;
  result?: Schemas["AuditResult"];
  since?: string;
  until?: string;
}

const PAGE = 100;

export function useAudit(filter: AuditFilter) {
  return useInfiniteQuery({
    queryKey: ["audit", filter],
    queryFn: async ({ pageParam }) =>
      dataOf(
        await api.GET("/api/v1/audit", {
          params: { query: { ...filter, limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
}

/** Returns where all that the filter lets through can be saved from. */
export function auditExport(filter: AuditFilter, format: "csv" | "jsonl"): string {
  return `/api/v1/audit/export?${new URLSearchParams({ ...filter, format }).toString()}`;
}

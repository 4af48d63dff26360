import { useNavigate, useSearch } from "@tanstack/react-router";
import type { RunSearch } from "../search";

/** Returns what the address says of the curves, and how to change it. */
export function useCurveSearch() {
  const search = useSearch({ from: "/runs/$runId" });
  const navigate = useNavigate({ from: "/runs/$runId" });
  const { x = "step", log = false, robust = false, smoothing = 0, from, to, table = false } = search;
  /** What is undefined or false stands in no address. */
  const change = (changes: Partial<Record<keyof RunSearch, unknown>>) =>
    void navigate({
      replace: true,
      search: (before) =>
        Object.fromEntries(Object.entries({ ...before, ...changes }).filter(([, value]) => value !== undefined && value !== false)) as RunSearch,
    });
  const range = from !== undefined && to !== undefined && to > from ? { from, to } : undefined;
  return { look: { x, log, robust, smoothing }, range, isTable: table, change };
}

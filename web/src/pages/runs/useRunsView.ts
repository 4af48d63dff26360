/** The view of the list, which is its address, and how it is changed. */
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";
import { MOST_SELECTED, type RunsSearch } from "./search";

export function useRunsView() {
  const search = useSearch({ from: "/runs" });
  const navigate = useNavigate({ from: "/runs" });
  /** An undefined value takes its key out of the address. What is chosen stays chosen. */
  const change = useCallback(
    (changes: { [K in keyof RunsSearch]?: RunsSearch[K] | undefined }) =>
      void navigate({ replace: true, search: (before) => withoutEmpty({ ...before, ...changes }) }),
    [navigate],
  );
  const show = useCallback((view: RunsSearch) => void navigate({ search: view }), [navigate]);
  const select = useCallback(
    (ids: readonly string[], isSelected: boolean) => {
      const others = (search.selected ?? []).filter((id) => !ids.includes(id));
      change({ selected: isSelected ? [...others, ...ids].slice(0, MOST_SELECTED) : others });
    },
    [change, search.selected],
  );
  return { search, change, show, select };
}

function withoutEmpty(search: { [K in keyof RunsSearch]?: RunsSearch[K] | undefined }): RunsSearch {
  const kept = Object.entries(search).filter(
    ([, value]) => value !== undefined && value !== "" && !(Array.isArray(value) && value.length === 0),
  );
  return Object.fromEntries(kept) as RunsSearch;
}

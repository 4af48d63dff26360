/** What a person should see now, in the page's language. */
import { useLingui } from "@lingui/react";
import { useQuery } from "@tanstack/react-query";
import { api, dataOf, type Schemas } from "./client";

export type Attention = Schemas["Attention"];

/** The stream tells of runs, not of what is found in them. */
const REFRESH_MS = 5_000;

/** All that is the reader's to mend; or what is found in one run. */
export function useAttention(runId?: string) {
  const language = useLingui().i18n.locale;
  const headers = { "Accept-Language": language };
  return useQuery({
    queryKey: ["attention", runId ?? "all", language],
    queryFn: async () =>
      runId === undefined
        ? dataOf(await api.GET("/api/v1/attention", { headers })).attention
        : dataOf(await api.GET("/api/v1/runs/{run_id}/attention", { headers, params: { path: { run_id: runId } } }))
            .attention,
    refetchInterval: REFRESH_MS,
  });
}

/** The server's settings and health. */
import { useQuery } from "@tanstack/react-query";
import { ApiError, api, dataOf, type Schemas } from "./client";

const REFRESH_MS = 5_000;

export function useSettings() {
  return useQuery({
    queryKey: ["settings"],
    queryFn: async () => dataOf(await api.GET("/api/v1/settings")).settings,
  });
}

/** Whether the server can do its work; else what it says. */
export function useReadiness() {
  return useQuery({
    queryKey: ["readiness"],
    queryFn: async (): Promise<string | null> => {
      const answer = await fetch("/readyz", { cache: "no-store" }).catch((error: unknown) => {
        throw new ApiError(0, "unreachable", String(error));
      });
      return answer.ok ? null : ((await answer.json()) as Schemas["ApiError"]).error.message;
    },
    refetchInterval: REFRESH_MS,
  });
}

export function useEngines() {
  return useQuery({
    queryKey: ["engines"],
    queryFn: async () => dataOf(await api.GET("/api/v1/deployments")).deployments,
    refetchInterval: REFRESH_MS,
  });
}

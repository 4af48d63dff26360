/** The queue in its order, and who holds which device. */
import { useLingui } from "@lingui/react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { api, dataOf, type Schemas } from "./client";
import { useRefetchInterval } from "./live";

export type Queue = Schemas["Queue"];
export type QueueEntry = Schemas["QueueEntry"];
export type DeviceUse = Schemas["DeviceUse"];

const PAGE = 100;
const REFRESH_MS = 3_000;

export function useQueue() {
  const language = useLingui().i18n.locale;
  const refetchInterval = useRefetchInterval(REFRESH_MS);
  return useInfiniteQuery({
    queryKey: ["queue", language],
    queryFn: async ({ pageParam }) =>
      dataOf(
        await api.GET("/api/v1/queue", {
          headers: { "Accept-Language": language },
          params: { query: { after: pageParam, limit: PAGE } },
        }),
      ),
    initialPageParam: 0,
    getNextPageParam: (page) => page.next_after ?? undefined,
    refetchInterval,
  });
}

/** Webhooks and what was sent to them. */
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type Schemas } from "./client";

export type Webhook = Schemas["Webhook"];
export type Delivery = Schemas["Delivery"];

export const EVENT_TYPES = [
  "run.queued",
  "run.started",
  "run.paused",
  "run.succeeded",
  "run.failed",
  "run.cancelled",
  "attention.opened",
  "attention.resolved",
  "fine_tuning.job.succeeded",
  "fine_tuning.job.failed",
  "fine_tuning.job.cancelled",
];
const DELIVERIES = 20;
const REFRESH_MS = 3_000;

export function useWebhooks() {
  return useQuery({
    queryKey: ["webhooks"],
    queryFn: async () => dataOf(await api.GET("/api/v1/webhooks")).webhooks,
  });
}

export function useCreateWebhook() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: Schemas["NewWebhook"]) => dataOf(await api.POST("/api/v1/webhooks", { body })),
    onSuccess: () => client.invalidateQueries({ queryKey: ["webhooks"] }),
  });
}

export function useWebhookActions(webhookId: string) {
  const client = useQueryClient();
  const path = { webhook_id: webhookId };
  const onSuccess = () =>
    Promise.all([
      client.invalidateQueries({ queryKey: ["webhooks"] }),
      client.invalidateQueries({ queryKey: ["deliveries", webhookId] }),
    ]);
  return {
    change: useMutation({
      mutationFn: async (body: Schemas["WebhookChanges"]) =>
        api.PATCH("/api/v1/webhooks/{webhook_id}", { params: { path }, body }),
      onSuccess,
    }),
    remove: useMutation({
      mutationFn: async () => api.DELETE("/api/v1/webhooks/{webhook_id}", { params: { path } }),
      onSuccess,
    }),
    test: useMutation({
      mutationFn: async () => api.POST("/api/v1/webhooks/{webhook_id}/test", { params: { path } }),
      onSuccess,
    }),
    rotate: useMutation({
      mutationFn: async () =>
        dataOf(
          await api.POST("/api/v1/webhooks/{webhook_id}/rotate-secret", { params: { path }, body: { keep_old: true } }),
        ),
      onSuccess,
    }),
    replay: useMutation({
      mutationFn: async (messageId: string) =>
        api.POST("/api/v1/webhooks/{webhook_id}/deliveries/{message_id}/replay", {
          params: { path: { ...path, message_id: messageId } },
        }),
      onSuccess,
    }),
  };
}

export function useDeliveries(webhookId: string) {
  return useInfiniteQuery({
    queryKey: ["deliveries", webhookId],
    queryFn: async ({ pageParam }) =>
      dataOf(
        await api.GET("/api/v1/webhooks/{webhook_id}/deliveries", {
          params: {
            path: { webhook_id: webhookId },
            query: { limit: DELIVERIES, ...(pageParam ? { cursor: pageParam } : {}) },
          },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: REFRESH_MS,
  });
}

/** Names of secrets; their values never come back. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, dataOf } from "./client";

export function useSecrets() {
  return useQuery({
    queryKey: ["secrets"],
    queryFn: async () => dataOf(await api.GET("/api/v1/secrets")).secrets,
  });
}

interface NewSecret {
  name: string;
  value: string;
  /** Whether everybody's runs may use it. */
  isServers: boolean;
}

export function useSetSecret() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ name, value, isServers }: NewSecret) =>
      api.PUT(isServers ? "/api/v1/server-secrets/{name}" : "/api/v1/secrets/{name}", {
        params: { path: { name } },
        body: { value },
      }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["secrets"] }),
  });
}

export function useDeleteSecret() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ name, isServers }: Omit<NewSecret, "value">) =>
      api.DELETE(isServers ? "/api/v1/server-secrets/{name}" : "/api/v1/secrets/{name}", {
        params: { path: { name } },
      }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["secrets"] }),
  });
}

/** Users and API keys. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type Schemas } from "./client";

export type User = Schemas["User"];
export type ApiKey = Schemas["ApiKey"];

export function useUsers() {
  return useQuery({
    queryKey: ["users"],
    queryFn: async () => dataOf(await api.GET("/api/v1/users", { params: { query: { limit: 1000 } } })).users,
  });
}

export function useCreateUser() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: Schemas["NewUser"]) => dataOf(await api.POST("/api/v1/users", { body })),
    onSuccess: () => client.invalidateQueries({ queryKey: ["users"] }),
  });
}

export function useChangeUser(userId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: Schemas["UserChanges"]) =>
      dataOf(await api.PATCH("/api/v1/users/{user_id}", { params: { path: { user_id: userId } }, body })),
    onSuccess: () => client.invalidateQueries({ queryKey: ["users"] }),
  });
}

export function useDeleteUser(userId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async () => api.DELETE("/api/v1/users/{user_id}", { params: { path: { user_id: userId } } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["users"] }),
  });
}

export function useChangePassword() {
  return useMutation({
    mutationFn: async (body: Schemas["ChangePasswordRequest"]) => api.POST("/api/v1/me/password", { body }),
  });
}

/** One's own keys, or those of a user, for administrators. */
export function useKeys(userId?: string) {
  return useQuery({
    queryKey: ["keys", userId ?? "own"],
    queryFn: async () =>
      userId === undefined
        ? dataOf(await api.GET("/api/v1/keys")).keys
        : dataOf(await api.GET("/api/v1/users/{user_id}/keys", { params: { path: { user_id: userId } } })).keys,
  });
}

export function useCreateKey() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: Schemas["CreateKeyRequest"]) => dataOf(await api.POST("/api/v1/keys", { body })),
    onSuccess: () => client.invalidateQueries({ queryKey: ["keys"] }),
  });
}

export function useRevokeKey(userId?: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (keyId: string) =>
      userId === undefined
        ? api.DELETE("/api/v1/keys/{key_id}", { params: { path: { key_id: keyId } } })
        : api.DELETE("/api/v1/users/{user_id}/keys/{key_id}", {
            params: { path: { user_id: userId, key_id: keyId } },
          }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["keys"] }),
  });
}

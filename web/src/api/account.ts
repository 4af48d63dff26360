/** Who looks at the page, and how they come in and go. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type Schemas } from "./client";

export type Permission = Schemas["Permission"];

export function useMe() {
  return useQuery({
    queryKey: ["me"],
    queryFn: async () => dataOf(await api.GET("/api/v1/me")),
    retry: false,
    staleTime: 60_000,
  });
}

export function useSetup() {
  return useQuery({ queryKey: ["setup"], queryFn: async () => dataOf(await api.GET("/api/v1/setup")) });
}

export function useLogin() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: { login: string; password: string; remember: boolean }) =>
      dataOf(await api.POST("/api/v1/login", { body })),
    // The session before may have been another's.
    onSuccess: () => client.resetQueries(),
  });
}

export function useSetUp() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: Schemas["SetupRequest"]) => dataOf(await api.POST("/api/v1/setup", { body })),
    onSuccess: () => client.invalidateQueries(),
  });
}

export function useLogout() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async () => api.POST("/api/v1/logout"),
    // Nothing that the former user saw or wrote stays.
    onSettled: () => {
      sessionStorage.clear();
      return client.resetQueries();
    },
  });
}

/** Who looks at the page, and how they come in and go. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type Schemas } from "./client";
import { leave, tellTabs } from "./session";

export type Permission = Schemas["Permission"];

export function useMe() {
  return useQuery({
    queryKey: ["me"],
    queryFn: async () => dataOf(await api.GET("/api/v1/me")),
    retry: false,
    staleTime: 60_000,
  });
}

/** Returns whether whoever looks at the page may do it. */
export function useMay(): (permission: Permission) => boolean {
  const me = useMe().data;
  return (permission) => me?.permissions.includes(permission) ?? false;
}

/** Returns whether whoever looks at the page may change what this user has. */
export function useMayChange(what: "runs" | "datasets" | "deployments"): (ownerId: string | null) => boolean {
  const me = useMe().data;
  const may = useMay();
  return (ownerId) => may(`${what}:write`) && (may(`${what}:all`) || (me?.user != null && me.user.id === ownerId));
}

export function useSetup() {
  return useQuery({ queryKey: ["setup"], queryFn: async () => dataOf(await api.GET("/api/v1/setup")) });
}

export function useLogin() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: { login: string; password: string; remember: boolean }) =>
      dataOf(await api.POST("/api/v1/login", { body })),
    onSuccess: () => {
      tellTabs("came");
      return client.resetQueries();
    },
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
    onSuccess: () => {
      tellTabs("went");
      return leave(client);
    },
  });
}

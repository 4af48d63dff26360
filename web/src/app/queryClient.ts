/** The one place of what the server said. */
import { MutationCache, QueryCache, QueryClient, type QueryKey } from "@tanstack/react-query";
import { ApiError } from "../api/client";

const TRIES = 3;

/** A session that has ended leads to the login, at the address where one is. */
function noteEnd(error: Error, key?: QueryKey): void {
  if (error instanceof ApiError && error.status === 401 && key?.[0] !== "me")
    void queryClient.invalidateQueries({ queryKey: ["me"] });
}

export const queryClient = new QueryClient({
  queryCache: new QueryCache({ onError: (error, query) => noteEnd(error, query.queryKey) }),
  mutationCache: new MutationCache({ onError: (error) => noteEnd(error) }),
  defaultOptions: {
    // The server may be this machine: a browser without a network reaches it all the same.
    mutations: { networkMode: "always" },
    queries: {
      networkMode: "always",
      staleTime: 2_000,
      // What the server refused it will refuse again; one that is away comes back.
      retry: (count, error) =>
        count < TRIES && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
    },
  },
});

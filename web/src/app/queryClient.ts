/** The one place of what the server said. */
import { QueryClient } from "@tanstack/react-query";
import { ApiError } from "../api/client";

const TRIES = 3;

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      // What the server refused it will refuse again; one that is away comes back.
      retry: (count, error) =>
        count < TRIES && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
    },
  },
});

/** The typed client of the native API. Answers that are no success are thrown as ApiError. */
import createClient, { type Middleware } from "openapi-fetch";
import { noteServerTime } from "../kit/time";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type Run = Schemas["Run"];
export type RunStatus = Schemas["RunStatus"];
export type RunEvent = Schemas["EventList"]["events"][number];

/** What the server said of a request that it refused; `status` 0: it was not reached. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly issues: Schemas["ApiIssue"][] = [],
  ) {
    super(message);
  }
}

const throwing: Middleware = {
  onRequest({ request }) {
    // What the server says is in the page's language, whatever the browser's is.
    request.headers.set("Accept-Language", document.documentElement.lang || "en");
  },
  async onResponse({ response }) {
    noteServerTime(response.headers.get("date"));
    if (!response.ok) throw await errorOf(response);
  },
  onError({ error }) {
    return new ApiError(0, "unreachable", String(error));
  },
};

export const api = createClient<paths>({ baseUrl: "/" });
api.use(throwing);

/** Takes the data out of an answer, which is there since failures are thrown. */
export function dataOf<T>(answer: { data?: T }): T {
  return answer.data as T;
}

/** Reads the API's error from an answer that is no success. */
export async function errorOf(response: Response): Promise<ApiError> {
  try {
    const { error } = (await response.json()) as Schemas["ApiError"];
    return new ApiError(response.status, error.code, error.message, error.errors);
  } catch {
    // A proxy on the way answers in words of its own.
    return new ApiError(response.status, "unknown", `${response.status} ${response.statusText}`);
  }
}

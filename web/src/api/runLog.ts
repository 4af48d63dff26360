/** A run's log: its end first, then whatever is added, by bytes. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { ApiError, api, dataOf } from "./client";

/** Bytes of the end that are read at first. */
const TAIL = 256 * 1024;
/** Bytes kept in the page; the whole log can be saved. */
const KEPT = 2 * 1024 * 1024;
const REFRESH_MS = 1_000;

export interface RunLog {
  text: string;
  nextOffset: number;
  /** Whether something before `text` was left out. */
  isCut: boolean;
}

export function useRunLog(runId: string, { isLive }: { isLive: boolean }) {
  const client = useQueryClient();
  const queryKey = ["log", runId];
  return useQuery({
    queryKey,
    queryFn: async () => {
      const before = client.getQueryData<RunLog>(queryKey);
      return before === undefined ? readEnd(runId) : readOn(runId, before);
    },
    refetchInterval: isLive ? REFRESH_MS : false,
  });
}

async function readEnd(runId: string): Promise<RunLog> {
  const response = await fetch(logAddress(runId), { headers: { Range: `bytes=-${TAIL}` } });
  // Nothing has been written yet.
  if (response.status === 416 || response.status === 404) return { text: "", nextOffset: 0, isCut: false };
  if (!response.ok) throw new ApiError(response.status, "unknown", `${response.status} ${response.statusText}`);
  const bytes = await response.arrayBuffer();
  const total = Number(response.headers.get("content-range")?.split("/")[1] ?? bytes.byteLength);
  const text = new TextDecoder().decode(bytes);
  const isCut = total > bytes.byteLength;
  return { text: isCut ? text.slice(text.indexOf("\n") + 1) : text, nextOffset: total, isCut };
}

async function readOn(runId: string, before: RunLog): Promise<RunLog> {
  const answer = dataOf(
    await api.GET("/api/v1/runs/{run_id}/logs", {
      params: { path: { run_id: runId }, query: { offset: before.nextOffset } },
    }),
  );
  const added = answer.text ?? "";
  if (added === "") return before;
  const text = before.text + added;
  const isLong = text.length > KEPT;
  return {
    text: isLong ? text.slice(text.indexOf("\n", text.length - KEPT) + 1) : text,
    nextOffset: answer.next_offset ?? before.nextOffset,
    isCut: before.isCut || isLong,
  };
}

/** Returns where the whole log can be saved from. */
export function logAddress(runId: string): string {
  return `/api/v1/runs/${encodeURIComponent(runId)}/logs/content`;
}

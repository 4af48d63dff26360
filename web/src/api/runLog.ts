/** A run's log, of which a window is in the page: its end, or a place in it; the rest is read by bytes when wanted. */
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { ApiError, api, dataOf } from "./client";

/** Bytes that are read at once. */
const PIECE = 256 * 1024;
/** Characters kept in the page; what is far from what is looked at is let go, and read again. */
const KEPT = 2 * 1024 * 1024;
const REFRESH_MS = 1_000;

export interface LogWindow {
  text: string;
  /** The bytes of the log that the text stands for; both are beginnings of lines, but for the log's end. */
  start: number;
  end: number;
  /** The bytes that the log had. */
  total: number;
}

interface Bytes {
  bytes: Uint8Array;
  start: number;
  total: number;
}

/** `at`: from this byte on, which begins a line; else the end, which is followed while `isFollowed`. */
export function useRunLog(runId: string, { at, isFollowed }: { at: number | undefined; isFollowed: boolean }) {
  const client = useQueryClient();
  const queryKey = ["log", runId, at ?? "end"];
  const log = useQuery({
    queryKey,
    queryFn: async () => {
      const before = client.getQueryData<LogWindow>(queryKey);
      if (before === undefined) return at === undefined ? readEnd(runId) : readFrom(runId, at);
      return isFollowed ? withLater(runId, before) : before;
    },
    refetchInterval: isFollowed ? REFRESH_MS : false,
  });
  const change = async (read: (runId: string, before: LogWindow) => Promise<LogWindow>) => {
    const before = client.getQueryData<LogWindow>(queryKey);
    if (before) client.setQueryData(queryKey, await read(runId, before));
  };
  return { ...log, readEarlier: () => change(withEarlier), readLater: () => change(withLater) };
}

/** Returns the lines that contain a text, found by the server in the whole log, a page at a time. */
export function useLogSearch(runId: string, q: string) {
  return useInfiniteQuery({
    queryKey: ["log-search", runId, q],
    queryFn: async ({ pageParam }) =>
      dataOf(
        await api.GET("/api/v1/runs/{run_id}/logs/search", {
          params: { path: { run_id: runId }, query: { q, offset: pageParam } },
        }),
      ),
    initialPageParam: 0,
    getNextPageParam: (page) => page.next_offset ?? undefined,
    enabled: q !== "",
  });
}

/** Returns where the whole log can be saved from. */
export function logAddress(runId: string): string {
  return `/api/v1/runs/${encodeURIComponent(runId)}/logs/content`;
}

async function readEnd(runId: string): Promise<LogWindow> {
  const { bytes, start, total } = await readBytes(runId, `bytes=-${PIECE}`);
  const skipped = start === 0 ? 0 : bytes.indexOf(10) + 1;
  return { text: textOf(bytes.subarray(skipped)), start: start + skipped, end: start + bytes.length, total };
}

async function readFrom(runId: string, at: number): Promise<LogWindow> {
  const { bytes, total } = await readBytes(runId, `bytes=${at}-${at + PIECE - 1}`);
  const whole = wholeLines(bytes, at, total);
  return { text: textOf(whole), start: at, end: at + whole.length, total };
}

async function withEarlier(runId: string, before: LogWindow): Promise<LogWindow> {
  const from = Math.max(0, before.start - PIECE);
  if (before.start === 0) return before;
  const { bytes } = await readBytes(runId, `bytes=${from}-${before.start - 1}`);
  const skipped = from === 0 ? 0 : bytes.indexOf(10) + 1;
  const text = textOf(bytes.subarray(skipped)) + before.text;
  const kept = text.length > KEPT ? text.slice(0, text.lastIndexOf("\n", KEPT) + 1) : text;
  const end = kept === text ? before.end : from + skipped + new TextEncoder().encode(kept).length;
  return { ...before, text: kept, start: from + skipped, end };
}

async function withLater(runId: string, before: LogWindow): Promise<LogWindow> {
  const { bytes, total } = await readBytes(runId, `bytes=${before.end}-${before.end + PIECE - 1}`);
  if (bytes.length === 0) return total === before.total ? before : { ...before, total };
  const added = wholeLines(bytes, before.end, total);
  const text = before.text + textOf(added);
  const kept = text.length > KEPT ? text.slice(text.indexOf("\n", text.length - KEPT) + 1) : text;
  const lost = text.slice(0, text.length - kept.length);
  const start = lost === "" ? before.start : before.start + new TextEncoder().encode(lost).length;
  return { text: kept, start, end: before.end + added.length, total };
}

/** Returns the bytes up to the end of a line; at the log's end all of them, since a line may still be written. */
function wholeLines(bytes: Uint8Array, start: number, total: number): Uint8Array {
  const cut = bytes.lastIndexOf(10) + 1;
  return start + bytes.length >= total || cut === 0 ? bytes : bytes.subarray(0, cut);
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

async function readBytes(runId: string, range: string): Promise<Bytes> {
  const response = await fetch(logAddress(runId), { headers: { Range: range } });
  const [, start, total] = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(response.headers.get("content-range") ?? "") ?? [];
  // Nothing has been written there yet.
  if (response.status === 416 || response.status === 404)
    return { bytes: new Uint8Array(), start: 0, total: Number(total ?? 0) };
  if (!response.ok) throw new ApiError(response.status, "unknown", `${response.status} ${response.statusText}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  return { bytes, start: Number(start ?? 0), total: Number(total ?? bytes.length) };
}

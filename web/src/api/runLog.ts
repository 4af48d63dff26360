/** A run's log, of which a window is in the page: its end, or a place in it; the rest is read by bytes when wanted. */
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { ApiError, api, dataOf } from "./client";

/** Bytes that are read at once. */
const PIECE = 256 * 1024;
/** Bytes kept in the page; what is far from what is looked at is let go, and read again. */
const KEPT = 2 * 1024 * 1024;
const REFRESH_MS = 1_000;
const NEWLINE = 10;

export interface LogWindow {
  /** The bytes as text, but for a character at their end of which not all bytes are there. */
  text: string;
  bytes: Uint8Array;
  /** Where in the log the bytes lie: at beginnings of lines, but for the log's end and lines of many pieces. */
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

interface Place {
  /** From this byte on, which begins a line; else the end. */
  at: number | undefined;
  /** Whether the end is read as it is written. */
  isFollowed: boolean;
  /** Whether nothing more will be written. */
  isEnded: boolean;
}

export function useRunLog(runId: string, { at, isFollowed, isEnded }: Place) {
  const client = useQueryClient();
  const queryKey = ["log", runId, at ?? "end"];
  const log = useQuery({
    queryKey,
    queryFn: async () => {
      const before = client.getQueryData<LogWindow>(queryKey);
      if (before === undefined) return at === undefined ? readEnd(runId) : readFrom(runId, at);
      if (!isFollowed) return withTotal(await readBytes(runId, "bytes=-1"), client.getQueryData(queryKey) ?? before);
      const later = await withLater(runId, before);
      return later.end < later.total ? readEnd(runId) : later;
    },
    refetchInterval: isFollowed && !isEnded ? REFRESH_MS : false,
  });
  // What was written last may have come after the last read.
  useEffect(() => {
    if (isEnded) void client.invalidateQueries({ queryKey: ["log", runId] });
  }, [client, runId, isEnded]);
  const [failure, setFailure] = useState<Error | null>(null);
  const change = async (read: (runId: string, before: LogWindow) => Promise<LogWindow>) => {
    const before = client.getQueryData<LogWindow>(queryKey);
    try {
      if (before) client.setQueryData(queryKey, await read(runId, before));
      setFailure(null);
    } catch (error) {
      setFailure(error as Error);
    }
  };
  return {
    ...log,
    error: log.error ?? failure,
    readEarlier: () => change(withEarlier),
    readLater: () => change(withLater),
    readEnd: () => change(readEnd),
  };
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
  const skipped = start === 0 ? 0 : bytes.indexOf(NEWLINE) + 1;
  return windowOf(bytes.subarray(skipped), start + skipped, total);
}

async function readFrom(runId: string, at: number): Promise<LogWindow> {
  const { bytes, total } = await readBytes(runId, `bytes=${at}-${at + PIECE - 1}`);
  return windowOf(wholeLines(bytes, at, total), at, total);
}

async function withEarlier(runId: string, before: LogWindow): Promise<LogWindow> {
  const from = Math.max(0, before.start - PIECE);
  if (before.start === 0) return before;
  const { bytes } = await readBytes(runId, `bytes=${from}-${before.start - 1}`);
  const skipped = from === 0 ? 0 : bytes.indexOf(NEWLINE) + 1;
  const all = joined(bytes.subarray(skipped), before.bytes);
  const kept = all.length > KEPT ? all.subarray(0, all.lastIndexOf(NEWLINE, KEPT) + 1 || KEPT) : all;
  return windowOf(kept, from + skipped, before.total);
}

async function withLater(runId: string, before: LogWindow): Promise<LogWindow> {
  // The last byte that is here is read again: a range that begins where the log ends is an error, which browsers note.
  const known = Math.min(1, before.end);
  const read = await readBytes(runId, `bytes=${before.end - known}-${before.end + PIECE - 1}`);
  const bytes = read.bytes.subarray(known);
  const { total } = read;
  if (bytes.length === 0) return withTotal(read, before);
  const all = joined(before.bytes, wholeLines(bytes, before.end, total));
  const surplus = Math.max(0, all.length - KEPT);
  const lost = surplus && (all.indexOf(NEWLINE, surplus) + 1 || surplus);
  return windowOf(all.subarray(lost), before.start + lost, total);
}

function withTotal({ total }: Bytes, before: LogWindow): LogWindow {
  return total === before.total ? before : { ...before, total };
}

/** Returns the bytes up to the end of a line; at the log's end all of them, since a line may still be written. */
function wholeLines(bytes: Uint8Array, start: number, total: number): Uint8Array {
  const cut = bytes.lastIndexOf(NEWLINE) + 1;
  return start + bytes.length >= total || cut === 0 ? bytes : bytes.subarray(0, cut);
}

function windowOf(bytes: Uint8Array, start: number, total: number): LogWindow {
  // The decoder keeps the first bytes of a character to itself: the others are still to come.
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes, { stream: true });
  return { text, bytes, start, end: start + bytes.length, total };
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
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

/** A run's events, kept whole by sequence number: read once, then followed by a stream that comes back by itself. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { pointOf, type Point } from "../kit/curves";
import { FINISHED } from "../kit/status";
import { api, dataOf, type RunEvent } from "./client";

/** Points of the past; the server thins out longer ones. */
const POINTS = 5_000;
/** Events of the past in the list. */
const EVENTS = 1_000;
const TYPES = ["status", "intent", "stage", "progress", "evaluation", "checkpoint", "sample", "notice", "result"];
const COME_BACK_MS = 1_000;

export interface RunHistory {
  /** The last sequence number that is in here. */
  sequence: number;
  points: Point[];
  /** Everything but progress, oldest first. */
  events: RunEvent[];
}

/** Returns the history with one event more; an event that it has already changes nothing. */
export function withEvent(history: RunHistory, event: RunEvent): RunHistory {
  if (event.sequence <= history.sequence) return history;
  const isMetric = event.type === "progress" || event.type === "evaluation";
  const point = isMetric ? pointOf(event.type, event.data as Record<string, unknown>) : null;
  return {
    sequence: event.sequence,
    points: point ? [...history.points, point] : history.points,
    events: event.type === "progress" ? history.events : [...history.events, event],
  };
}

export function useRunHistory(runId: string) {
  const client = useQueryClient();
  const history = useQuery({
    queryKey: ["history", runId],
    queryFn: () => readHistory(runId),
    staleTime: Infinity,
  });
  const isRead = history.data !== undefined;
  useEffect(() => {
    if (!isRead) return;
    return follow(
      runId,
      () => client.getQueryData<RunHistory>(["history", runId])?.sequence ?? 0,
      (event) => {
        client.setQueryData<RunHistory>(["history", runId], (before) => before && withEvent(before, event));
        if (event.type !== "progress") void client.invalidateQueries({ queryKey: ["run", runId] });
      },
    );
  }, [client, runId, isRead]);
  return history;
}

async function readHistory(runId: string): Promise<RunHistory> {
  const path = { run_id: runId };
  // The number comes first: what is told between the two readings is then told again by the stream, and known.
  const { last_sequence: sequence } = dataOf(await api.GET("/api/v1/runs/{run_id}", { params: { path } }));
  const [metrics, list] = await Promise.all([
    api.GET("/api/v1/runs/{run_id}/metrics", { params: { path, query: { points: POINTS } } }).then(dataOf),
    api
      .GET("/api/v1/runs/{run_id}/events", {
        params: { path, query: { after: Math.max(0, sequence - EVENTS), limit: EVENTS } },
      })
      .then(dataOf),
  ]);
  const points = metrics.points.map((point) => pointOf(String(point["type"]), point));
  return {
    sequence,
    points: points.filter((point) => point !== null),
    events: list.events.filter((event) => event.type !== "progress" && event.sequence <= sequence),
  };
}

/** Hands on every event after the last one seen; a stream that broke is opened anew from there. Returns the end. */
function follow(runId: string, seen: () => number, take: (event: RunEvent) => void): () => void {
  let source: EventSource | undefined;
  let timer: number | undefined;
  let hasLeft = false;
  const open = () => {
    source = new EventSource(`/api/v1/runs/${encodeURIComponent(runId)}/events/stream?after=${seen()}`);
    for (const type of TYPES)
      source.addEventListener(type, (message: MessageEvent<string>) => take(JSON.parse(message.data) as RunEvent));
    // A stream ends with its run, with the server, and with the way to it; browsers come back from some of that only.
    source.onerror = () => {
      source?.close();
      later();
    };
  };
  const later = () => {
    if (!hasLeft) timer = window.setTimeout(() => void openUnlessOver().catch(later), COME_BACK_MS);
  };
  const openUnlessOver = async () => {
    const run = dataOf(await api.GET("/api/v1/runs/{run_id}", { params: { path: { run_id: runId } } }));
    // The page may have been left while the answer was on its way.
    if (!hasLeft && (!FINISHED.has(run.status) || run.last_sequence > seen())) open();
  };
  open();
  return () => {
    hasLeft = true;
    window.clearTimeout(timer);
    source?.close();
  };
}

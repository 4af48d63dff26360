/** A run's events, kept whole by sequence number: read once, then followed by the browser's stream. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { pointOf, type Point } from "../kit/curves";
import { inFrames } from "../kit/frames";
import { api, dataOf, type RunEvent } from "./client";
import { followRun } from "./live";

/** Points of the past; the server thins out longer ones. */
const POINTS = 5_000;
/** Events of the past in the list. */
const EVENTS = 1_000;

export interface RunHistory {
  /** The last sequence number that is in here. */
  sequence: number;
  points: Point[];
  /** Everything but progress, oldest first. */
  events: RunEvent[];
}

/** Returns the history with more events; those that it has already change nothing. */
export function withEvents(history: RunHistory, added: readonly RunEvent[]): RunHistory {
  const events = added.filter((event) => event.sequence > history.sequence);
  if (events.length === 0) return history;
  const points = events
    .filter((event) => event.type === "progress" || event.type === "evaluation")
    .map((event) => pointOf(event.type, event.data as Record<string, unknown>))
    .filter((point) => point !== null);
  return {
    sequence: events[events.length - 1]?.sequence ?? history.sequence,
    points: points.length > 0 ? history.points.concat(points) : history.points,
    events: history.events.concat(events.filter((event) => event.type !== "progress")),
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
    const key = ["history", runId];
    const batch = inFrames<RunEvent>((events) => {
      client.setQueryData<RunHistory>(key, (before) => before && withEvents(before, events));
      if (events.some((event) => event.type === "notice")) void client.invalidateQueries({ queryKey: ["run", runId] });
    });
    const end = followRun(runId, client.getQueryData<RunHistory>(key)?.sequence ?? 0, batch.add);
    return () => {
      end();
      batch.flush();
    };
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

/** A run's metrics and events, kept whole by sequence number: read once, then followed by the browser's stream. */
import { useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { inFrames } from "../kit/frames";
import { api, dataOf, type RunEvent, type Schemas } from "./client";
import { followRun } from "./live";
import { readCurves, type RunCurves, type StepRange } from "./runCurves";

/** Events of the past in the list. */
const EVENTS = 1_000;
const LISTED: Schemas["EventType"][] = ["status", "intent", "stage", "evaluation", "checkpoint", "notice", "result"];

export interface RunHistory {
  /** The last sequence number that is in here. */
  sequence: number;
  curves: RunCurves;
  /** Everything but progress and samples, oldest first. */
  events: RunEvent[];
}

/** Returns the history with more events; those that it has already change nothing. The curves change in place. */
export function withEvents(history: RunHistory, added: readonly RunEvent[]): RunHistory {
  const events = added.filter((event) => event.sequence > history.sequence);
  const last = events.at(-1);
  if (last === undefined) return history;
  const isNew = history.curves.add(events);
  history.sequence = last.sequence;
  const listed = events.filter((event) => event.type !== "progress" && event.type !== "sample");
  // What only the curves show is drawn by them, without the page being rendered.
  return listed.length > 0 || isNew ? { ...history, events: history.events.concat(listed) } : history;
}

export function useRunHistory(runId: string) {
  const client = useQueryClient();
  const history = useQuery({
    queryKey: ["history", runId],
    queryFn: () => readHistory(runId),
    staleTime: Infinity,
    structuralSharing: false,
  });
  const isRead = history.data !== undefined;
  useEffect(() => (isRead ? follow(client, runId) : undefined), [client, runId, isRead]);
  return history;
}

/** Returns the curves of a range of steps, read anew with all the points that the range has room for. */
export function useCurvesBetween(runId: string, range: StepRange | undefined) {
  return useQuery({
    queryKey: ["curves", runId, range?.from, range?.to],
    queryFn: async () => (await readCurves(runId, range)).curves,
    enabled: range !== undefined,
    staleTime: Infinity,
    structuralSharing: false,
    placeholderData: (before: RunCurves | undefined) => before,
  });
}

function follow(client: QueryClient, runId: string): () => void {
  const key = ["history", runId];
  const batch = inFrames<RunEvent>((events) => {
    client.setQueryData<RunHistory>(key, (before) => before && withEvents(before, events));
    if (events.some(({ type }) => type === "notice")) void client.invalidateQueries({ queryKey: ["run", runId] });
    if (events.some(({ type }) => type === "sample")) void client.invalidateQueries({ queryKey: ["samples", runId] });
  });
  const end = followRun(runId, client.getQueryData<RunHistory>(key)?.sequence ?? 0, batch.add);
  return () => {
    end();
    batch.flush();
  };
}

async function readHistory(runId: string): Promise<RunHistory> {
  const path = { run_id: runId };
  const { curves, sequence } = await readCurves(runId);
  // Up to the same event: what comes after it is told by the stream, to the curves and to the list.
  const query = { before: sequence + 1, limit: EVENTS, type: LISTED };
  const { events } = dataOf(await api.GET("/api/v1/runs/{run_id}/events", { params: { path, query } }));
  return { sequence, curves, events: events.reverse() };
}

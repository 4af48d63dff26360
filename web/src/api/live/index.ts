/** Hooks over the stream of events: see docs/web.md. */
import { useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import type { Run, RunEvent, Schemas } from "../client";
import { hub, type Change, type Gone, type RunNotice } from "./LiveHub";

export type { Change, RunNotice };

/** What is read again when a run's status, name or place changes: the first words of the keys of queries. */
const LISTS: ReadonlySet<unknown> = new Set(["runs", "queue", "sweeps", "system", "attention"]);
const REST_MS = 1_000;

/** Whether changes are told as they happen; while they are not, queries ask from time to time. */
export function useIsLive(): boolean {
  return useSyncExternalStore(
    (listener) => hub.onState(listener),
    () => hub.isOpen,
  );
}

/** Returns the interval of a query that the stream makes needless: false while that is open. */
export function useRefetchInterval(milliseconds: number): number | false {
  return useIsLive() ? false : milliseconds;
}

/** Follows a run from its event `after` on. Returns the end. */
export function followRun(runId: string, after: number, take: (event: RunEvent) => void): () => void {
  return hub.follow(runId, after, take);
}

/** Opens the stream, and keeps what Query has of runs as the server tells it. */
export function useLive(me: Schemas["Me"]): void {
  const client = useQueryClient();
  const user = me.user?.id ?? "local";
  useEffect(() => {
    const refresher = new Refresher(client);
    const end = hub.onChange((change) => refresher.take(change));
    // The server refuses the stream, too, once the session has ended.
    const endStates = hub.onState(() => hub.isOpen || void client.invalidateQueries({ queryKey: ["me"] }));
    const stop = () => hub.stop();
    const start = ({ persisted }: PageTransitionEvent) => persisted && hub.start(user);
    hub.start(user);
    window.addEventListener("pagehide", stop);
    window.addEventListener("pageshow", start);
    return () => {
      window.removeEventListener("pagehide", stop);
      window.removeEventListener("pageshow", start);
      end();
      endStates();
      refresher.stop();
      hub.stop();
    };
  }, [client, user]);
}

/** Writes notices into the cache, and has lists read again where a notice does not tell all that they show. */
class Refresher {
  private readonly statuses = new Map<string, string>();
  private timer: number | undefined;

  constructor(private readonly client: QueryClient) {}

  take(change: Change): void {
    if (change.kind === "run") this.apply(change.run);
    else if (change.kind === "gone") this.forget(change);
    else this.readAgain(["run"]);
  }

  stop(): void {
    window.clearTimeout(this.timer);
  }

  private apply(notice: RunNotice): void {
    const patch = (run: Run | undefined) => run && patched(run, notice);
    for (const id of new Set([notice.id, notice.uid])) this.client.setQueryData(["run", id], patch);
    this.client.setQueriesData({ queryKey: ["runs"] }, (data: unknown) => withNotice(data, notice));
    const state = `${notice.status} ${notice.intent} ${notice.name}`;
    if (this.statuses.get(notice.uid) === state) return;
    this.statuses.set(notice.uid, state);
    for (const id of new Set([notice.id, notice.uid])) this.readAgain(["run", id]);
  }

  /** Leaves another run of the same id alone: an id that a client chose is unique for its owner only. */
  private forget({ id, uid }: Gone): void {
    const known = this.client.getQueryData<Run>(["run", id]);
    if (uid === null || known === undefined || known.uid === uid) this.readAgain(["run", id]);
    if (uid !== null) this.readAgain(["run", uid]);
  }

  private readAgain(queryKey: string[]): void {
    void this.client.invalidateQueries({ queryKey });
    this.timer ??= window.setTimeout(() => {
      this.timer = undefined;
      void this.client.invalidateQueries({ predicate: ({ queryKey: [first] }) => LISTS.has(first) });
    }, REST_MS);
  }
}

function patched(run: Run, notice: RunNotice): Run {
  if (run.uid !== notice.uid || run.last_sequence > notice.sequence) return run;
  const { sequence, id: _, uid: _uid, number: _number, ...rest } = notice;
  return { ...run, ...rest, last_sequence: sequence };
}

/** Returns a list, or the pages of one, with the run as the notice tells it; the same where it is not in there. */
export function withNotice(data: unknown, notice: RunNotice): unknown {
  if (typeof data !== "object" || data === null) return data;
  if ("pages" in data && Array.isArray(data.pages)) {
    const pages = data.pages.map((page) => withNotice(page, notice));
    return pages.every((page, place) => page === (data.pages as unknown[])[place]) ? data : { ...data, pages };
  }
  if (!("runs" in data) || !Array.isArray(data.runs)) return data;
  const runs = data.runs as Run[];
  if (!runs.some((run) => run.uid === notice.uid)) return data;
  return { ...data, runs: runs.map((run) => patched(run, notice)) };
}

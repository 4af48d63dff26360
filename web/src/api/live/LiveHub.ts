/**
 * What the server tells, for all pages of this tab. Of a browser's tabs one has the stream, the one that holds the lock;
 * the others hear it over a channel. When it goes, the next has the lock, and goes on where each tab is.
 */
import type { RunEvent, Schemas } from "../client";
import { Leader } from "./Leader";
import type { Frame, Message, Wanted } from "./messages";

export type RunNotice = Schemas["RunNotice"];

/** `uid` is null where the id that was asked for never was a run's. Other runs of the id may be there. */
export type Gone = { kind: "gone"; id: string; uid: string | null };

/** What the stream says of runs; `stale`: lists are to be read again. */
export type Change = { kind: "run"; run: RunNotice } | Gone | { kind: "stale" };

const REPEAT_MS = 30_000;

interface Follow {
  runId: string;
  /** The sequence number of the last event that was handed on. */
  last: number;
  take: (event: RunEvent) => void;
}

export class LiveHub {
  private readonly tab = crypto.getRandomValues(new Uint32Array(2)).join("-");
  private readonly follows = new Set<Follow>();
  private readonly changes = new Set<(change: Change) => void>();
  private readonly states = new Set<() => void>();
  private channel: BroadcastChannel | undefined;
  private leader: Leader | undefined;
  private giveUp: (() => void) | undefined;
  private timer: number | undefined;
  private since: string | null = null;
  isOpen = false;

  /** Begins, together with other tabs of the same user. */
  start(user: string): void {
    const name = `finery-live-${user}`;
    // Browsers have locks in secure contexts only; elsewhere each tab has a stream of its own.
    if (!("locks" in navigator)) return this.lead();
    this.channel = new BroadcastChannel(name);
    this.channel.onmessage = ({ data }: MessageEvent<Message>) => this.hear(data);
    const abort = new AbortController();
    let release: (() => void) | undefined;
    this.giveUp = () => {
      abort.abort();
      release?.();
    };
    const holding = () => {
      this.lead();
      return new Promise<void>((resolve) => (release = resolve));
    };
    navigator.locks.request(name, { signal: abort.signal }, holding).catch(() => undefined);
    this.timer = window.setInterval(() => this.want(), REPEAT_MS);
    this.want();
  }

  stop(): void {
    window.clearInterval(this.timer);
    this.leader?.close();
    this.leader = undefined;
    this.say({ kind: "leaves", tab: this.tab });
    this.channel?.close();
    this.channel = undefined;
    this.giveUp?.();
    this.giveUp = undefined;
  }

  /** Hands on every event of the run after the last one seen, in order and once. Returns the end. */
  follow(runId: string, after: number, take: (event: RunEvent) => void): () => void {
    const follow = { runId, last: after, take };
    this.follows.add(follow);
    this.want();
    return () => {
      this.follows.delete(follow);
      this.want();
    };
  }

  onChange(listener: (change: Change) => void): () => void {
    this.changes.add(listener);
    return () => this.changes.delete(listener);
  }

  /** Calls also when the stream failed again to open. */
  onState(listener: () => void): () => void {
    this.states.add(listener);
    return () => this.states.delete(listener);
  }

  private lead(): void {
    this.leader = new Leader(
      this.since,
      (frame, since) => {
        this.say({ kind: "frame", frame, since });
        this.take(frame, since);
      },
      (isOpen) => {
        this.say({ kind: "state", isOpen });
        this.setOpen(isOpen);
      },
    );
    this.say({ kind: "leads" });
    this.want();
  }

  private hear(message: Message): void {
    switch (message.kind) {
      case "leads":
        return this.want();
      case "wants":
        this.leader?.want(message.tab, message.runs, message.isAgain);
        if (this.leader) this.say({ kind: "state", isOpen: this.leader.isOpen });
        return;
      case "leaves":
        return this.leader?.forget(message.tab);
      case "frame":
        return this.take(message.frame, message.since);
      case "state":
        return this.setOpen(message.isOpen);
    }
  }

  private want(isAgain = false): void {
    const runs: Wanted = {};
    for (const { runId, last } of this.follows) runs[runId] = Math.min(last, runs[runId] ?? last);
    if (this.leader) this.leader.want(this.tab, runs, isAgain);
    else this.say({ kind: "wants", tab: this.tab, runs, isAgain });
  }

  private say(message: Message): void {
    this.channel?.postMessage(message);
  }

  private take(frame: Frame, since: string): void {
    this.since = since;
    if (frame.run !== null) this.handOn(frame.run, JSON.parse(frame.data) as RunEvent);
    else if (frame.event === "run") this.tell({ kind: "run", run: JSON.parse(frame.data) as RunNotice });
    else if (frame.event === "gone") this.tell({ kind: "gone", ...(JSON.parse(frame.data) as Omit<Gone, "kind">) });
    else if (frame.event === "stale") this.tell({ kind: "stale" });
  }

  private handOn(runId: string, event: RunEvent): void {
    let isGap = false;
    for (const follow of this.follows) {
      if (follow.runId !== runId || event.sequence <= follow.last) continue;
      // Numbers have no gaps: what lies between was told while this tab could not hear it.
      if (event.sequence > follow.last + 1) {
        isGap = true;
        continue;
      }
      follow.last = event.sequence;
      follow.take(event);
    }
    if (isGap) this.want(true);
  }

  private tell(change: Change): void {
    for (const listener of this.changes) listener(change);
  }

  private setOpen(isOpen: boolean): void {
    if (isOpen && this.isOpen) return;
    this.isOpen = isOpen;
    for (const listener of this.states) listener();
  }
}

/** The tab's own; what is kept of it lies in Query's cache. */
export const hub = new LiveHub();

/** The time that passes while a page is looked at. */
import { useSyncExternalStore } from "react";
import { serverNow } from "./time";

const TICK_MS = 10_000;
const listeners = new Set<() => void>();
let timer = 0;
let now = serverNow();

/** Returns the server's time, in milliseconds; all who show it are drawn anew together, every ten seconds. */
export function useNow(): number {
  useSyncExternalStore(subscribe, () => now);
  // What is drawn in between is not older than it has to be.
  return serverNow();
}

function subscribe(listener: () => void): () => void {
  if (listeners.size === 0) timer = window.setInterval(tick, TICK_MS);
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) window.clearInterval(timer);
  };
}

function tick(): void {
  now = serverNow();
  for (const listener of listeners) listener();
}

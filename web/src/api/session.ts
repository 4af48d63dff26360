/** Whose this tab is. What one user saw, wrote or began to send in it is not there for the next. */
import { useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useEffect, useReducer } from "react";
import { dropAll, keep, kept } from "../kit/storage";
import type { Schemas } from "./client";
import { stopUploads } from "./uploads";

type News = "came" | "went";

const KEY = "finery.user";
/** How other tabs hear that somebody came or went. */
const channel = new BroadcastChannel("finery-session");
/** Beside the storage, which a browser may refuse. */
let owner = kept("sessionStorage", KEY);

/** Returns whether the tab is the user's; while it is not, nothing of the page may be there, and it is made so. */
export function useOwnTab(me: Schemas["Me"] | undefined): boolean {
  const client = useQueryClient();
  const [, lookAgain] = useReducer((count: number) => count + 1, 0);
  const user = me && (me.user?.id ?? "local");
  const isOwn = user === undefined || user === owner;
  useEffect(() => {
    if (user === undefined || user === owner) return;
    owner = user;
    forget(client);
    lookAgain();
  }, [client, user]);
  return isOwn;
}

/** Looks again who is there when somebody came or went in another tab. */
export function useNewsOfSession(): void {
  const client = useQueryClient();
  useEffect(() => {
    channel.onmessage = ({ data }: MessageEvent<News>) => {
      // They would go on in the name of whoever comes.
      stopUploads(client);
      void (data === "went" ? leave(client) : client.resetQueries({ queryKey: ["me"] }));
    };
    return () => {
      channel.onmessage = null;
    };
  }, [client]);
}

export function tellTabs(news: News): void {
  channel.postMessage(news);
}

/** Leads to the login, and forgets everything once no page is there that could write it again. */
export async function leave(client: QueryClient): Promise<void> {
  await client.resetQueries({ queryKey: ["me"] });
  forget(client);
}

function forget(client: QueryClient): void {
  stopUploads(client);
  client.getMutationCache().clear();
  // Those that are active ask who is there.
  client.removeQueries({ type: "inactive" });
  dropAll("sessionStorage");
  if (owner !== null) keep("sessionStorage", KEY, owner);
}

/** Keeps the conversation, also over a reload of this tab, and asks the models. */
import { useEffect, useReducer, useRef } from "react";
import { askModel, chatBody, type ChatSettings, type Piece } from "../../api/chat";
import { keep, kept } from "../../kit/storage";
import { changed, EMPTY, interrupted, isAnswering, messagesFor, type Change, type Conversation, type Exchange } from "./conversation";

const KEY = "finery.playground";
/** Pieces are shown together this often; a fast model sends a thousand a second. */
const SHOW_MS = 50;

interface Asking {
  models: string[];
  settings: ChatSettings;
  tools: unknown[];
}

export function useConversation() {
  const [conversation, change] = useReducer(changed, undefined, stored);
  const stopper = useRef<AbortController | null>(null);
  const isBusy = isAnswering(conversation);
  useEffect(() => keep("sessionStorage", KEY, JSON.stringify(conversation)), [conversation]);
  useEffect(() => () => stopper.current?.abort(), []);
  const ask = (before: Conversation, text: string, role: Exchange["role"], { models, settings, tools }: Asking) => {
    const exchange: Exchange = {
      role,
      text,
      answers: models.map((model) => ({ model, state: "waiting", text: "", calls: [], tokens: [] })),
    };
    change({ type: "asked", exchange });
    const at = before.exchanges.length;
    const asked = changed(before, { type: "asked", exchange });
    const { signal } = (stopper.current = new AbortController());
    models.forEach((model, side) => {
      const body = chatBody(model, messagesFor(asked, side), settings, tools);
      void follow(body, signal, at, side, change);
    });
  };
  return { conversation, change, isBusy, ask, stop: () => stopper.current?.abort() };
}

async function follow(
  body: Record<string, unknown>,
  signal: AbortSignal,
  at: number,
  side: number,
  change: (change: Change) => void,
): Promise<void> {
  const began = performance.now();
  let pieces: Piece[] = [];
  const show = () => {
    if (pieces.length > 0) change({ type: "came", at, side, pieces });
    pieces = [];
  };
  const timer = window.setInterval(show, SHOW_MS);
  const end = (state: "done" | "stopped" | "failed", error?: unknown) => {
    window.clearInterval(timer);
    show();
    change({ type: "ended", at, side, state, seconds: (performance.now() - began) / 1000, error });
  };
  try {
    for await (const piece of askModel(body, signal)) pieces.push(piece);
    end("done");
  } catch (error) {
    if (signal.aborted) end("stopped");
    else end("failed", error);
  }
}

function stored(): Conversation {
  try {
    return interrupted({ ...EMPTY, ...(JSON.parse(kept("sessionStorage", KEY) ?? "{}") as Partial<Conversation>) });
  } catch {
    return EMPTY;
  }
}

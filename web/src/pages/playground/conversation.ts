/** The conversation of this tab: what was asked, and what each model answered. */
import { ApiError } from "../../api/client";
import { joinedCalls, type ChatMessage, type Piece, type Token, type ToolCall } from "../../api/chat";

export interface Answer {
  model: string;
  state: "waiting" | "streaming" | "done" | "stopped" | "failed";
  text: string;
  calls: ToolCall[];
  tokens: Token[];
  finishReason?: string;
  tokenCount?: number;
  seconds?: number;
  error?: { status: number; code: string; message: string };
}

export interface Exchange {
  role: "user" | "tool";
  text: string;
  /** One for each model that was asked. */
  answers: Answer[];
}

export interface Conversation {
  system: string;
  /** JSON, as it was typed. */
  tools: string;
  exchanges: Exchange[];
}

export type Change =
  | { type: "asked"; exchange: Exchange }
  | { type: "came"; at: number; side: number; pieces: Piece[] }
  | { type: "ended"; at: number; side: number; state: Answer["state"]; seconds: number; error?: unknown }
  | { type: "taken back" }
  | { type: "cleared" }
  | { type: "set"; fields: Partial<Pick<Conversation, "system" | "tools">> };

export const EMPTY: Conversation = { system: "", tools: "", exchanges: [] };

export function changed(conversation: Conversation, change: Change): Conversation {
  const { exchanges } = conversation;
  switch (change.type) {
    case "asked":
      return { ...conversation, exchanges: [...exchanges, change.exchange] };
    case "came":
      return withAnswer(conversation, change.at, change.side, (answer) => change.pieces.reduce(withPiece, answer));
    case "ended":
      return withAnswer(conversation, change.at, change.side, (answer) => ({
        ...answer,
        state: change.state,
        seconds: change.seconds,
        ...(change.error === undefined ? {} : { error: errorOf(change.error) }),
      }));
    case "taken back":
      return { ...conversation, exchanges: exchanges.slice(0, -1) };
    case "cleared":
      return { ...conversation, exchanges: [] };
    case "set":
      return { ...conversation, ...change.fields };
  }
}

export const isAnswering = ({ exchanges }: Conversation): boolean =>
  exchanges.at(-1)?.answers.some(({ state }) => state === "waiting" || state === "streaming") ?? false;

/** Returns the conversation of a page that was left: what was being written then is not written on. */
export function interrupted(conversation: Conversation): Conversation {
  const end = (answer: Answer): Answer =>
    answer.state === "waiting" || answer.state === "streaming" ? { ...answer, state: "stopped" } : answer;
  const exchanges = conversation.exchanges.map((each) => ({ ...each, answers: each.answers.map(end) }));
  return { ...conversation, exchanges };
}

/** Returns what a model is sent: what it was told before, without what failed, and the new question. */
export function messagesFor({ system, exchanges }: Conversation, side: number): ChatMessage[] {
  const messages: ChatMessage[] = system.trim() ? [{ role: "system", content: system }] : [];
  let calls: ToolCall[] = [];
  for (const { role, text, answers } of exchanges) {
    const answer = answers[side] ?? answers[0];
    if (answer?.state === "failed") continue;
    if (role === "tool") messages.push(...calls.map(({ id }) => ({ role, content: text, tool_call_id: id })));
    else messages.push({ role, content: text });
    calls = answer?.calls ?? [];
    if (answer !== undefined && (answer.text || calls.length > 0))
      messages.push({ role: "assistant", content: answer.text, ...(calls.length > 0 ? { tool_calls: calls } : {}) });
  }
  return messages;
}

function withAnswer(
  conversation: Conversation,
  at: number,
  side: number,
  change: (answer: Answer) => Answer,
): Conversation {
  const exchanges = conversation.exchanges.map((exchange, place) =>
    place === at
      ? { ...exchange, answers: exchange.answers.map((answer, each) => (each === side ? change(answer) : answer)) }
      : exchange,
  );
  return { ...conversation, exchanges };
}

function withPiece(answer: Answer, { text, calls, tokens, ...rest }: Piece): Answer {
  return {
    ...answer,
    ...rest,
    state: "streaming",
    text: answer.text + text,
    calls: joinedCalls(answer.calls, calls),
    tokens: tokens.length > 0 ? [...answer.tokens, ...tokens] : answer.tokens,
  };
}

function errorOf(error: unknown): NonNullable<Answer["error"]> {
  if (error instanceof ApiError) return { status: error.status, code: error.code, message: error.message };
  return { status: 500, code: "unknown", message: String(error) };
}

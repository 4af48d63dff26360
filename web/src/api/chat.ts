/** Asks a model, and reads its answer while it is written. */
import { dataOfEvents } from "../kit/serverEvents";
import { ApiError, errorOf } from "./client";

const ADDRESS = "/api/v1/chat/completions";
const LOADING_MS = 1_000;
/** How many other tokens are told beside each. */
const ALTERNATIVES = 5;

export interface ChatMessage {
  role: "system" | "user" | "assistant" | "tool";
  content: string;
  tool_calls?: ToolCall[];
  tool_call_id?: string;
}

export interface ToolCall {
  id: string;
  type: "function";
  function: { name: string; arguments: string };
}

export interface ChatSettings {
  temperature?: number;
  top_p?: number;
  max_tokens?: number;
  seed?: number;
  stop?: string;
  logprobs?: boolean;
}

export interface Token {
  token: string;
  logprob: number;
  top_logprobs: { token: string; logprob: number }[];
}

/** What came of an answer since the last piece. */
export interface Piece {
  text: string;
  calls: ToolCall[];
  tokens: Token[];
  finishReason?: string;
  tokenCount?: number;
}

interface Chunk {
  error?: { message?: string; code?: string };
  choices?: {
    delta?: { content?: string | null; tool_calls?: (Partial<ToolCall> & { index?: number })[] };
    logprobs?: { content?: Token[] } | null;
    finish_reason?: string | null;
  }[];
  usage?: { completion_tokens?: number } | null;
}

/** Returns the request as any client of the API would send it. */
export function chatBody(
  model: string,
  messages: ChatMessage[],
  { stop, logprobs, ...settings }: ChatSettings,
  tools: unknown[],
): Record<string, unknown> {
  return {
    model,
    messages,
    ...settings,
    ...(stop ? { stop: [stop] } : {}),
    ...(logprobs ? { logprobs: true, top_logprobs: ALTERNATIVES } : {}),
    ...(tools.length > 0 ? { tools } : {}),
  };
}

/** Yields the answer as it comes. Throws ApiError, also where the stream breaks off. */
export async function* askModel(body: Record<string, unknown>, signal: AbortSignal): AsyncGenerator<Piece> {
  const response = await begin({ ...body, stream: true, stream_options: { include_usage: true } }, signal);
  if (response.body === null) throw new ApiError(0, "unreachable", "");
  let isWhole = false;
  for await (const data of dataOfEvents(response.body)) {
    if (data === "[DONE]") {
      isWhole = true;
      break;
    }
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error) throw new ApiError(500, chunk.error.code ?? "unknown", chunk.error.message ?? data);
    yield pieceOf(chunk);
  }
  if (!isWhole) throw new ApiError(0, "cut_short", "");
}

/** Sends the request; while the model is still being loaded, again and again. */
async function begin(body: Record<string, unknown>, signal: AbortSignal): Promise<Response> {
  for (;;) {
    const response = await fetch(ADDRESS, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal,
    }).catch((error: unknown) => {
      throw new ApiError(0, "unreachable", String(error));
    });
    if (response.ok) return response;
    const error = await errorOf(response);
    if (error.code !== "still_loading" || signal.aborted) throw error;
    await new Promise((resolve) => setTimeout(resolve, LOADING_MS));
  }
}

function pieceOf(chunk: Chunk): Piece {
  const choice = chunk.choices?.[0];
  return {
    text: choice?.delta?.content ?? "",
    calls: (choice?.delta?.tool_calls ?? []).map(callOf),
    tokens: choice?.logprobs?.content ?? [],
    ...(choice?.finish_reason ? { finishReason: choice.finish_reason } : {}),
    ...(chunk.usage?.completion_tokens === undefined ? {} : { tokenCount: chunk.usage.completion_tokens }),
  };
}

function callOf(call: Partial<ToolCall>): ToolCall {
  return {
    id: call.id ?? "",
    type: "function",
    function: { name: call.function?.name ?? "", arguments: call.function?.arguments ?? "" },
  };
}

/** Returns the calls with further pieces of them: some engines send arguments bit by bit, and the id only once. */
export function joinedCalls(before: ToolCall[], added: ToolCall[]): ToolCall[] {
  return added.reduce((calls, call) => {
    const last = calls.at(-1);
    if (call.id !== "" || last === undefined) return [...calls, call];
    const { name, arguments: text } = last.function;
    return [...calls.slice(0, -1), { ...last, function: { name, arguments: text + call.function.arguments } }];
  }, before);
}

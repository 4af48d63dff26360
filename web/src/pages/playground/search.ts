/** What the playground keeps in its address: the models, and how they are asked. */
import type { ChatSettings } from "../../api/chat";
import { numberBetween, textOf, type Search } from "../../kit/search";

export interface PlaygroundSearch extends ChatSettings {
  model?: string;
  /** The model that answers beside it. */
  other?: string;
}

export const playgroundSearchOf = (search: Search): PlaygroundSearch => ({
  ...textOf(search, "model"),
  ...textOf(search, "other"),
  ...numberBetween(search, "temperature", -0.001, 2.001),
  ...numberBetween(search, "top_p", 0, 1.001),
  ...numberBetween(search, "max_tokens", 0, 2 ** 20),
  ...numberBetween(search, "seed", -1, 2 ** 53),
  ...textOf(search, "stop"),
  ...(search["logprobs"] === true ? { logprobs: true } : {}),
});

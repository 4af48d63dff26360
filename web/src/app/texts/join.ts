import type { Messages } from "@lingui/core";

/** Returns the texts of all folders as one catalogue; a text that stands in two is translated alike. */
export function join(catalogs: Record<string, { messages: Messages }>): Messages {
  return Object.assign({}, ...Object.values(catalogs).map((catalog) => catalog.messages)) as Messages;
}

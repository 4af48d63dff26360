/** A row of data as a person reads it: a conversation where it is one, else its fields. */

export interface Turn {
  role: string;
  text: string;
}

export type ReadRow = { turns: Turn[]; fields: [string, string][] };

const CONVERSATIONS = ["messages", "conversations"];
const ROLES = ["role", "from"];
const TEXTS = ["content", "value"];

/** Returns the turns of a conversation, and all other fields as text. */
export function readRow(value: Record<string, unknown>): ReadRow {
  const entries = Object.entries(value);
  const [key, list] = entries.find(([name, item]) => CONVERSATIONS.includes(name) && Array.isArray(item)) ?? [];
  const turns = Array.isArray(list) ? list.map(turnOf) : [];
  return { turns, fields: entries.filter(([name]) => name !== key).map(([name, item]) => [name, textOf(item)]) };
}

function turnOf(message: unknown): Turn {
  if (typeof message !== "object" || message === null) return { role: "?", text: textOf(message) };
  const found = message as Record<string, unknown>;
  const role = ROLES.find((name) => typeof found[name] === "string");
  const text = TEXTS.find((name) => typeof found[name] === "string");
  const rest = Object.entries(found).filter(([name, item]) => name !== role && name !== text && item !== null);
  const more = rest.length > 0 ? JSON.stringify(Object.fromEntries(rest), null, 1) : "";
  return { role: role ? String(found[role]) : "?", text: [text ? found[text] : "", more].filter(Boolean).join("\n") };
}

function textOf(item: unknown): string {
  return typeof item === "string" ? item : JSON.stringify(item, null, 1);
}

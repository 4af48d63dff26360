/** A request to a model as a program would send it. */

/** Returns the request as a command of curl's; the key, if one is needed, comes from the environment. */
export function asCurl(origin: string, body: Record<string, unknown>, needsKey: boolean): string {
  const quoted = JSON.stringify(body, null, 2).replaceAll("'", `'\\''`);
  return [
    `curl ${origin}/v1/chat/completions \\`,
    ...(needsKey ? [`  -H "Authorization: Bearer $FINERY_API_KEY" \\`] : []),
    `  -H 'Content-Type: application/json' \\`,
    `  -d '${quoted}'`,
  ].join("\n");
}

/** Returns the request as a program with OpenAI's package for Python. */
export function asPython(origin: string, body: Record<string, unknown>, needsKey: boolean): string {
  const key = needsKey ? `os.environ["FINERY_API_KEY"]` : `"none"`;
  const lines = Object.entries(body).map(([name, value]) => `    ${name}=${pythonOf(value, 1)},`);
  return [
    ...(needsKey ? ["import os", ""] : []),
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url="${origin}/v1", api_key=${key})`,
    "answer = client.chat.completions.create(",
    ...lines,
    ")",
    "print(answer.choices[0].message.content)",
  ].join("\n");
}

function pythonOf(value: unknown, depth: number): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  // A JSON string is a Python string, too.
  if (typeof value !== "object") return JSON.stringify(value);
  const pad = "    ".repeat(depth + 1);
  const items = Array.isArray(value)
    ? value.map((item) => `${pad}${pythonOf(item, depth + 1)},`)
    : Object.entries(value).map(([key, item]) => `${pad}${JSON.stringify(key)}: ${pythonOf(item, depth + 1)},`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return items.length > 0 ? [open, ...items, `${"    ".repeat(depth)}${close}`].join("\n") : `${open}${close}`;
}

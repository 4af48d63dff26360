/** Reads what a view keeps in the address. What it does not know is left out, so that an old link still opens. */

export type Search = Record<string, unknown>;

/** Returns the value under its key where it is one of those allowed. */
export function oneOf<K extends string, T extends string>(
  search: Search,
  key: K,
  allowed: readonly T[],
): Partial<Record<K, T>> {
  const found = allowed.find((one) => one === search[key]);
  return found === undefined ? {} : ({ [key]: found } as Record<K, T>);
}

/** Reads a value of the address. A number is one where nothing of its text is lost: `12e45678` may be an id. */
export function valueOf(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (typeof value === "number" && String(value) !== text) throw new SyntaxError(text);
  return value;
}

/** Returns the text under its key where there is one; a link written by hand may hold digits, as some ids do. */
export function textOf<K extends string>(search: Search, key: K): Partial<Record<K, string>> {
  const value = search[key];
  const text = typeof value === "number" || typeof value === "boolean" ? String(value) : value;
  return typeof text === "string" && text !== "" ? ({ [key]: text } as Record<K, string>) : {};
}

/** Returns the day under its key where it is one. */
export function dayOf<K extends string>(search: Search, key: K): Partial<Record<K, string>> {
  const value = search[key];
  const isDay = typeof value === "string" && /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value));
  return isDay ? ({ [key]: value } as Record<K, string>) : {};
}

/** Returns true under its key where that is set. */
export function flagOf<K extends string>(search: Search, key: K): Partial<Record<K, true>> {
  return search[key] === true ? ({ [key]: true } as Record<K, true>) : {};
}

/** Returns the number under its key where it lies between the two, which are left out. */
export function numberBetween<K extends string>(
  search: Search,
  key: K,
  least: number,
  most: number,
): Partial<Record<K, number>> {
  const found = search[key];
  // As `0.70`, which is no number that the router reads without a loss.
  const value = typeof found === "string" && found.trim() !== "" ? Number(found) : found;
  return typeof value === "number" && value > least && value < most ? ({ [key]: value } as Record<K, number>) : {};
}

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

/** Returns the text under its key where there is one. */
export function textOf<K extends string>(search: Search, key: K): Partial<Record<K, string>> {
  const value = search[key];
  return typeof value === "string" && value !== "" ? ({ [key]: value } as Record<K, string>) : {};
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
  const value = search[key];
  return typeof value === "number" && value > least && value < most ? ({ [key]: value } as Record<K, number>) : {};
}

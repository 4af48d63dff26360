const UNITS: [string, number, number][] = [
  ["GiB", 2 ** 30, 1],
  ["MiB", 2 ** 20, 0],
  ["KiB", 2 ** 10, 0],
];

/** Returns bytes in the largest unit that they fill, with it. */
export function sizeOf(bytes: number): string {
  const found = UNITS.find(([, size]) => bytes >= size);
  return found ? `${(bytes / found[1]).toFixed(found[2])} ${found[0]}` : `${bytes} B`;
}

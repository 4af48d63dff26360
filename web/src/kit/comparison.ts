/** What is compared of several runs, and how their lines are told apart. */

/** X and y of one line, by rising x. */
export type Columns = [xs: number[], ys: number[]];

export interface Band {
  xs: number[];
  mean: number[];
  low: number[];
  high: number[];
}

export interface LineStyle {
  /** A place in the palette. */
  color: number;
  dash: number[];
}

export const PALETTE = {
  light: ["#0b7285", "#c2255c", "#2b8a3e", "#e8590c", "#5f3dc4", "#364fc7", "#846358", "#a61e4d", "#087f5b", "#495057"],
  dark: ["#3bc9db", "#f783ac", "#69db7c", "#ffa94d", "#b197fc", "#748ffc", "#c7a598", "#faa2c1", "#38d9a9", "#ced4da"],
};
const DASHES = [[], [8, 4], [2, 4], [10, 4, 2, 4]];

/** Returns the style of the line at this place: of twenty no two have both the same colour and the same dashes. */
export function lineStyle(place: number): LineStyle {
  const color = place % PALETTE.light.length;
  return { color, dash: DASHES[(color + Math.floor(place / PALETTE.light.length)) % DASHES.length] as number[] };
}

/** Returns the keys whose values are not the same in all, in order of first appearance; a missing one counts as null. */
export function differingKeys(configs: readonly Record<string, unknown>[]): string[] {
  return allKeys(configs).filter((key) => new Set(configs.map((config) => textOfValue(config[key]))).size > 1);
}

export function allKeys(configs: readonly Record<string, unknown>[]): string[] {
  return [...new Set(configs.flatMap((config) => Object.keys(config)))];
}

export function textOfValue(value: unknown): string {
  if (value === undefined || value === null) return "—";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Returns mean, least and greatest value at each x of any line; between its points a line is straight. */
export function bandOf(lines: readonly Columns[]): Band {
  const xs = [...new Set(lines.flatMap(([xs]) => xs))].sort((a, b) => a - b);
  const band: Band = { xs, mean: [], low: [], high: [] };
  const walkers = lines.map(([xs, ys]) => walker(xs, ys));
  for (const x of xs) {
    const values = walkers.map((valueAt) => valueAt(x)).filter(Number.isFinite);
    band.mean.push(values.reduce((sum, value) => sum + value, 0) / values.length);
    band.low.push(Math.min(...values));
    band.high.push(Math.max(...values));
  }
  return band;
}

/** Returns a function that gives the value at x, which may only rise from call to call; NaN outside of the line. */
function walker(xs: readonly number[], ys: readonly number[]): (x: number) => number {
  let place = 0;
  return (x) => {
    while (place + 1 < xs.length && (xs[place + 1] as number) <= x) place += 1;
    const [left, right] = [xs[place], xs[place + 1]];
    if (left === undefined || x < left) return NaN;
    const y = ys[place] as number;
    if (x === left) return y;
    if (right === undefined) return NaN;
    return y + (((ys[place + 1] as number) - y) * (x - left)) / (right - left);
  };
}

/** How a curve is drawn, and from which columns. */
import uPlot from "uplot";
import { smoothed } from "../kit/curves";
import { shortNumber } from "../kit/numbers";
import type { Series, X } from "../kit/series";

export const CURVE_HEIGHT = 220;
const SYNC = "curves";
const COLORS = {
  light: { line: "#0b7285", grid: "#dee2e6", text: "#495057" },
  dark: { line: "#3bc9db", grid: "#373a40", text: "#c1c2c5" },
};
/** Values of which the usual range is told. */
const LOOKED_AT = 500;
/** The share of values at each end that the usual range leaves out. */
const OUTLIERS = 0.02;

export interface Look {
  x: X;
  /** Whether the values' axis is logarithmic. */
  log: boolean;
  /** Whether the range leaves out what lies far from the rest. */
  robust: boolean;
  /** The share of the past in the smoothed line, 0 to below 1. */
  smoothing: number;
}

/** Returns the columns to draw: x, the values, and over them the smoothed ones. Gaps are null. */
export function dataOfSeries(series: Series, look: Look): uPlot.AlignedData {
  const xs = series.column(look.x);
  const values = series.column("value");
  const isDrawn = (value: number) => Number.isFinite(value) && (!look.log || value > 0);
  const raw = Array.from(values, (value) => (isDrawn(value) ? value : null));
  if (look.smoothing === 0) return [xs, raw];
  // Of a bucket of steps the least and the greatest value are told: a line between them would follow the spikes.
  const means = Array.from(series.column("mean"), (mean, place) => (raw[place] === null || !isDrawn(mean) ? null : mean));
  return [xs, raw, smoothed(means, look.smoothing)];
}

/** Returns the range that holds nearly all values; a little is added at both ends. */
export function usualRange(values: readonly (number | null | undefined)[]): [number, number] | null {
  const stride = Math.max(1, Math.floor(values.length / LOOKED_AT));
  const seen: number[] = [];
  for (let place = 0; place < values.length; place += stride) if (values[place] != null) seen.push(values[place] as number);
  if (seen.length === 0) return null;
  seen.sort((a, b) => a - b);
  const skipped = Math.floor(seen.length * OUTLIERS);
  const [low, high] = [seen[skipped] as number, seen[seen.length - 1 - skipped] as number];
  const margin = (high - low || Math.abs(high) || 1) * 0.1;
  return [low - margin, high + margin];
}

export function optionsOf(
  label: string,
  look: Look,
  scheme: "light" | "dark",
  width: number,
  onZoom: (from: number, to: number) => void,
): uPlot.Options {
  const { line, grid, text } = COLORS[scheme];
  const value = (_: uPlot, raw: number | null) => (raw === null ? "–" : shortNumber(raw));
  const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
  const xAxis = look.x === "time" ? axis : { ...axis, values: (_: uPlot, ticks: number[]) => ticks.map(shortNumber) };
  const isSmoothed = look.smoothing > 0;
  const range = look.robust && !look.log ? { range: (plot: uPlot) => robustRange(plot) } : {};
  return {
    width,
    height: CURVE_HEIGHT,
    cursor: { sync: { key: SYNC }, drag: { x: true, y: false, setScale: false } },
    scales: { x: { time: look.x === "time" }, y: { distr: look.log ? 3 : 1, ...range } },
    axes: [xAxis, { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : shortNumber(tick))) }],
    series: [
      { label: look.x },
      { label, stroke: isSmoothed ? `${line}55` : line, width: 1.5, value, points: { show: false } },
      ...(isSmoothed ? [{ label: `${label} ~`, stroke: line, width: 2, value, points: { show: false } }] : []),
    ],
    hooks: {
      setSelect: [
        (plot) => {
          const { left, width: chosen } = plot.select;
          if (chosen < 5) return;
          onZoom(plot.posToVal(left, "x"), plot.posToVal(left + chosen, "x"));
          plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        },
      ],
    },
  };
}

function robustRange(plot: uPlot): [number, number] {
  return usualRange(plot.data[1] as (number | null)[]) ?? [0, 1];
}

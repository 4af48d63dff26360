import { useComputedColorScheme } from "@mantine/core";
import { useElementSize, useMergedRef } from "@mantine/hooks";
import { useEffect, useMemo, useRef } from "react";
import uPlot from "uplot";
import { PALETTE, type LineStyle } from "../kit/comparison";
import { shortNumber } from "../kit/numbers";
import { spanOf } from "../kit/time";

const HEIGHT = 260;
const SYNC = "compared";
const GRID = { light: { grid: "#dee2e6", text: "#495057" }, dark: { grid: "#373a40", text: "#c1c2c5" } };
type Scheme = "light" | "dark";

export interface ComparedLine {
  /** Drawn at the line's end, and beside its name in the legend. */
  tag: string;
  name: string;
  style: LineStyle;
  xs: number[];
  ys: number[];
  /** Drawn faintly below the line. */
  raw?: number[];
  /** The least and greatest value at each x. */
  band?: { low: number[]; high: number[] };
}

interface ComparedCurveProps {
  label: string;
  lines: ComparedLine[];
  x: "step" | "time";
}

/** One metric of several runs on shared axes. */
export function ComparedCurve({ label, lines, x }: ComparedCurveProps) {
  const box = useRef<HTMLDivElement>(null);
  const { ref, width } = useElementSize<HTMLDivElement>();
  const frame = useMergedRef(box, ref);
  const scheme = useComputedColorScheme("light");
  const plot = useRef<uPlot | null>(null);
  const data = useMemo(() => uPlot.join(lines.map(tableOf)), [lines]);
  const latest = useRef({ data, lines });
  latest.current = { data, lines };
  const shape = JSON.stringify(lines.map(({ tag, name, raw, band }) => [tag, name, Boolean(raw), Boolean(band)]));
  useEffect(() => {
    if (!box.current || width === 0) return;
    const made = new uPlot(optionsOf(latest.current.lines, scheme, width, x), latest.current.data, box.current);
    plot.current = made;
    return () => {
      plot.current = null;
      made.destroy();
    };
  }, [shape, scheme, width, x]);
  useEffect(() => plot.current?.setData(data), [data]);
  return <div ref={frame} role="img" aria-label={`${label}: ${lines.map(lastOf).join(", ")}`} />;
}

function tableOf({ xs, ys, raw, band }: ComparedLine): uPlot.AlignedData {
  return [xs, ys, ...(raw ? [raw] : []), ...(band ? [band.high, band.low] : [])];
}

function lastOf({ tag, name, ys }: ComparedLine): string {
  return `${tag} ${name} ${shortNumber(ys.at(-1) ?? NaN)}`;
}

function optionsOf(lines: ComparedLine[], scheme: Scheme, width: number, x: "step" | "time"): uPlot.Options {
  const { grid, text } = GRID[scheme];
  const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  const ends: { place: number; tag: string; color: string }[] = [];
  for (const { tag, style, raw, band } of lines) {
    const color = PALETTE[scheme][style.color] as string;
    const line: uPlot.Series = { stroke: color, width: 2, dash: style.dash, spanGaps: true, points: { show: false } };
    ends.push({ place: series.length, tag, color });
    series.push(line);
    if (raw) series.push({ ...line, stroke: `${color}44`, width: 1 });
    if (band) {
      bands.push({ series: [series.length, series.length + 1], fill: `${color}22` });
      series.push({ ...line, stroke: `${color}44`, width: 1 }, { ...line, stroke: `${color}44`, width: 1 });
    }
  }
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { sync: { key: SYNC } },
    padding: [null, 28, null, null],
    scales: { x: { time: false } },
    axes: [
      x === "time" ? { ...axis, values: (_, ticks) => ticks.map(spanOf) } : axis,
      { ...axis, size: 64, values: (_, ticks) => ticks.map(shortNumber) },
    ],
    series,
    bands,
    hooks: { draw: [(made) => ends.forEach((end) => drawTag(made, end.place, end.tag, end.color))] },
  };
}

/** Writes the line's number where it ends, so that it is known without its colour. */
function drawTag(plot: uPlot, place: number, tag: string, color: string): void {
  const ys = plot.data[place];
  const last = ys?.findLastIndex((y) => y != null) ?? -1;
  const [x, y] = [plot.data[0][last], ys?.[last]];
  if (x === undefined || y == null || x > (plot.scales["x"]?.max ?? x)) return;
  const { ctx } = plot;
  ctx.save();
  ctx.fillStyle = color;
  ctx.font = `bold ${12 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  ctx.fillText(tag, plot.valToPos(x, "x", true) + 4 * devicePixelRatio, plot.valToPos(y, "y", true));
  ctx.restore();
}

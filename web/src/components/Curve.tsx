import { useComputedColorScheme } from "@mantine/core";
import { useElementSize, useMergedRef } from "@mantine/hooks";
import { useEffect, useMemo, useRef } from "react";
import uPlot from "uplot";
import { smoothed } from "../kit/curves";
import { shortNumber } from "../kit/numbers";

const HEIGHT = 220;
const SYNC = "curves";
const COLORS = { light: { line: "#0b7285", grid: "#dee2e6", text: "#495057" }, dark: { line: "#3bc9db", grid: "#373a40", text: "#c1c2c5" } };

interface CurveProps {
  label: string;
  steps: number[];
  values: number[];
  /** The share of the past in the smoothed line, 0 to below 1. */
  smoothing: number;
}

/** One metric by step: the raw line, and over it the smoothed one. */
export function Curve({ label, steps, values, smoothing }: CurveProps) {
  const box = useRef<HTMLDivElement>(null);
  const { ref, width } = useElementSize<HTMLDivElement>();
  const frame = useMergedRef(box, ref);
  const scheme = useComputedColorScheme("light");
  const plot = useRef<uPlot | null>(null);
  const data = useMemo<uPlot.AlignedData>(
    () => (smoothing > 0 ? [steps, values, smoothed(values, smoothing)] : [steps, values]),
    [steps, values, smoothing],
  );
  const latest = useRef(data);
  latest.current = data;
  const isSmoothed = smoothing > 0;
  useEffect(() => {
    if (!box.current || width === 0) return;
    const made = new uPlot(optionsOf(label, scheme, width, isSmoothed), latest.current, box.current);
    plot.current = made;
    return () => {
      plot.current = null;
      made.destroy();
    };
  }, [label, scheme, width, isSmoothed]);
  useEffect(() => plot.current?.setData(data), [data]);
  return <div ref={frame} role="img" aria-label={describe(label, steps, values)} />;
}

function optionsOf(label: string, scheme: "light" | "dark", width: number, isSmoothed: boolean): uPlot.Options {
  const { line, grid, text } = COLORS[scheme];
  const value = (_: uPlot, raw: number | null) => (raw === null ? "–" : shortNumber(raw));
  const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
  return {
    width,
    height: HEIGHT,
    cursor: { sync: { key: SYNC } },
    scales: { x: { time: false } },
    axes: [axis, { ...axis, size: 64, values: (_, ticks) => ticks.map(shortNumber) }],
    series: [
      { label: "step" },
      { label, stroke: isSmoothed ? `${line}55` : line, width: 1.5, value, points: { show: false } },
      ...(isSmoothed ? [{ label: `${label} ~`, stroke: line, width: 2, value, points: { show: false } }] : []),
    ],
  };
}

function describe(label: string, steps: number[], values: number[]): string {
  const [first, last] = [values[0], values.at(-1)];
  if (first === undefined || last === undefined) return label;
  return `${label}: ${first.toPrecision(4)} (${steps[0]}) → ${last.toPrecision(4)} (${steps.at(-1)})`;
}

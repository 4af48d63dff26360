import { useComputedColorScheme } from "@mantine/core";
import { useElementSize, useInViewport, useMergedRef } from "@mantine/hooks";
import { useCallback, useEffect, useRef, type RefObject } from "react";
import uPlot from "uplot";
import type { RunCurves } from "../api/runCurves";
import { drawNoMore, drawSoon } from "../kit/drawing";
import { shortNumber } from "../kit/numbers";
import { Series } from "../kit/series";
import { CURVE_HEIGHT, dataOfSeries, optionsOf, type Look } from "./curveOptions";

const EMPTY = new Series();

interface CurveProps {
  name: string;
  curves: RunCurves;
  look: Look;
  onZoom: (from: number, to: number) => void;
  /** Gets what is drawn, for who wants to save it. */
  plotRef?: RefObject<uPlot | null>;
}

/** One metric; it is drawn when it is seen, and again whenever the run has told more. */
export function Curve({ name, curves, look, onZoom, plotRef }: CurveProps) {
  const box = useRef<HTMLDivElement>(null);
  const { ref: sizeRef, width } = useElementSize<HTMLDivElement>();
  const { ref: viewRef, inViewport } = useInViewport<HTMLDivElement>();
  const frame = useMergedRef(box, sizeRef, viewRef);
  const scheme = useComputedColorScheme("light");
  const zoom = useRef(onZoom);
  zoom.current = onZoom;
  const { x, log, robust, smoothing } = look;
  // What is drawn without the page being rendered is told without it, too.
  const tell = useCallback(() => box.current?.setAttribute("aria-label", describe(name, curves)), [name, curves]);
  useEffect(tell, [tell]);
  useEffect(() => {
    if (!box.current || width === 0 || !inViewport) return;
    const asDrawn: Look = { x, log, robust, smoothing };
    const series = () => curves.series.get(name) ?? EMPTY;
    const options = optionsOf(name, asDrawn, scheme, width, (from, to) => {
      const [first, last] = [stepAt(series(), x, from), stepAt(series(), x, to)];
      if (last > first) zoom.current(first, last);
    });
    const plot = new uPlot(options, dataOfSeries(series(), asDrawn), box.current);
    if (plotRef) plotRef.current = plot;
    const draw = () => {
      plot.setData(dataOfSeries(series(), asDrawn));
      tell();
    };
    const end = curves.onAdd(() => drawSoon(draw));
    return () => {
      end();
      drawNoMore(draw);
      if (plotRef) plotRef.current = null;
      plot.destroy();
    };
  }, [name, curves, x, log, robust, smoothing, scheme, width, inViewport, plotRef, tell]);
  return <div ref={frame} role="img" style={{ minHeight: CURVE_HEIGHT + 30 }} />;
}

/** Returns the step that was reached at a place of the axis. */
function stepAt(series: Series, x: Look["x"], place: number): number {
  if (x === "step") return Math.round(place);
  const [xs, steps] = [series.column(x), series.column("step")];
  const found = xs.findIndex((value) => value >= place);
  return Math.round((found < 0 ? steps.at(-1) : steps[found]) ?? 0);
}

function describe(name: string, curves: RunCurves): string {
  const series = curves.series.get(name) ?? EMPTY;
  const [steps, values] = [series.column("step"), series.column("value")];
  const [first, last] = [values[0], values.at(-1)];
  if (first === undefined || last === undefined) return name;
  return `${name}: ${shortNumber(first)} (${steps[0]}) → ${shortNumber(last)} (${steps.at(-1)})`;
}

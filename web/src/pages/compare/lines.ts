/** Makes the lines of each metric from the runs' points. */
import type { ComparedRun, TimedPoint } from "../../api/comparedRuns";
import type { ComparedLine } from "../../components/ComparedCurve";
import { bandOf, lineStyle, textOfValue, type Columns } from "../../kit/comparison";
import { metricNames, smoothed } from "../../kit/curves";

export interface LineOptions {
  x: "step" | "time";
  smoothing: number;
  group: string | undefined;
}

/** A run, or all with the same value of a setting, and the number of its line. */
export interface LineOwner {
  tag: string;
  name: string;
  place: number;
  members: ComparedRun[];
}

export function nameOf({ run }: ComparedRun): string {
  return run.name ?? run.id;
}

export function ownersOf(compared: readonly ComparedRun[], group: string | undefined): LineOwner[] {
  const groups = new Map<string, ComparedRun[]>();
  for (const one of compared) {
    const key = group === undefined ? one.run.uid : `${group} = ${textOfValue(one.run.config[group])}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups].map(([key, members], place) => ({
    tag: String(place + 1),
    name: group === undefined ? nameOf(members[0] as ComparedRun) : `${key} (${members.length})`,
    place,
    members,
  }));
}

export function metricsOf(compared: readonly ComparedRun[]): string[] {
  return metricNames(compared.flatMap((one) => one.points));
}

export function linesOf(owners: readonly LineOwner[], metric: string, { x, smoothing, group }: LineOptions): ComparedLine[] {
  return owners.flatMap(({ tag, name, place, members }): ComparedLine[] => {
    const raw = members.map((one) => columnsOf(one.points, metric, x)).filter(([xs]) => xs.length > 0);
    if (raw.length === 0) return [];
    const shown = raw.map(([xs, ys]): Columns => [xs, smoothing > 0 ? smoothed(ys, smoothing) : ys]);
    const line = { tag, name, style: lineStyle(place) };
    if (group !== undefined) {
      const { xs, mean, low, high } = bandOf(shown);
      return [{ ...line, xs, ys: mean, band: { low, high } }];
    }
    const [[xs, ys]] = shown as [Columns];
    return [{ ...line, xs, ys, ...(smoothing > 0 ? { raw: (raw[0] as Columns)[1] } : {}) }];
  });
}

/** Returns each x once, with the last value told there: a run that resumed tells some steps again. */
function columnsOf(points: readonly TimedPoint[], metric: string, x: "step" | "time"): Columns {
  const byX = new Map<number, number>();
  for (const point of points) {
    const value = point.values[metric];
    if (value !== undefined && Number.isFinite(value)) byX.set(x === "step" ? point.step : point.seconds, value);
  }
  const xs = [...byX.keys()].sort((a, b) => a - b);
  return [xs, xs.map((at) => byX.get(at) as number)];
}

/** Makes the lines of each metric from the runs' points. */
import type { ComparedRun, TimedSeries } from "../../api/comparedRuns";
import type { ComparedLine } from "../../components/ComparedCurve";
import { bandOf, lineStyle, textOfValue, type Columns } from "../../kit/comparison";
import { smoothed } from "../../kit/curves";
import { grouped } from "../../kit/metricGroups";

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

/** Returns the names of all metrics, the loss first, as the page of a run has them. */
export function metricsOf(compared: readonly ComparedRun[]): string[] {
  const names = new Set(compared.flatMap((one) => one.series.map((series) => series.name)));
  return grouped([...names]).flatMap(([, inGroup]) => inGroup);
}

export function linesOf(owners: readonly LineOwner[], metric: string, { x, smoothing, group }: LineOptions): ComparedLine[] {
  return owners.flatMap(({ tag, name, place, members }): ComparedLine[] => {
    const raw = members.map((one) => columnsOf(seriesOf(one, metric), x, smoothing > 0 || group !== undefined)).filter(([xs]) => xs.length > 0);
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

export function seriesOf({ series }: ComparedRun, metric: string): TimedSeries | undefined {
  return series.find((one) => one.name === metric);
}

/**
 * Returns each x once, with the last value told there; what is no number is left out. `areMeans`: where the server tells
 * the least and greatest of a bucket of steps, its mean is taken for both, which an average would else not be of.
 */
function columnsOf(series: TimedSeries | undefined, x: "step" | "time", areMeans: boolean): Columns {
  const byX = new Map<number, number>();
  const places = x === "step" ? series?.steps : series?.seconds;
  const told = (areMeans && series?.means) || series?.values;
  told?.forEach((value, place) => {
    const at = places?.[place];
    if (value !== null && at !== undefined) byX.set(at, value);
  });
  const xs = [...byX.keys()].sort((a, b) => a - b);
  return [xs, xs.map((at) => byX.get(at) as number)];
}

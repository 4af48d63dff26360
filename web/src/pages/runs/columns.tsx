/** The columns of the list of runs. */
import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";
import { Badge, Group } from "@mantine/core";
import type { ReactNode } from "react";
import type { Run } from "../../api/client";
import type { RunSort } from "../../api/runList";
import { Age } from "../../components/Age";
import { ProgressText } from "../../components/ProgressText";
import { StatusBadge } from "../../components/StatusBadge";
import { useNow } from "../../kit/clock";
import { shortNumber } from "../../kit/numbers";
import { spanOf } from "../../kit/time";

export interface Column {
  key: string;
  /** A setting's own name is the same in every language. */
  label: MessageDescriptor | string;
  /** Of the grid's track. */
  width: string;
  sort?: RunSort;
  cell: (run: Run, owners: Map<string, string>) => ReactNode;
}

/** Before the name of a setting it makes the key of its column. */
export const SETTING = "config.";

export const COLUMNS: readonly Column[] = [
  { key: "state", label: msg`State`, width: "148px", sort: "status", cell: (run) => <StatusBadge status={run.status} /> },
  { key: "recipe", label: msg`Recipe`, width: "100px", sort: "recipe", cell: (run) => run.recipe },
  { key: "model", label: msg`Model`, width: "minmax(140px, 1fr)", cell: (run) => run.model_name ?? "—" },
  { key: "progress", label: msg`Progress`, width: "minmax(200px, 1.4fr)", cell: (run) => <ProgressText run={run} /> },
  { key: "loss", label: msg`Last loss`, width: "110px", sort: "loss", cell: lossOf },
  { key: "owner", label: msg`Owner`, width: "120px", cell: (run, owners) => ownerOf(run, owners) },
  { key: "created", label: msg`Created`, width: "130px", sort: "created", cell: (run) => <Age at={run.created_at} /> },
  { key: "finished", label: msg`Ended`, width: "130px", sort: "finished", cell: (run) => <Age at={run.finished_at} /> },
  { key: "duration", label: msg`Duration`, width: "100px", cell: (run) => <Duration run={run} /> },
  { key: "labels", label: msg`Labels`, width: "minmax(140px, 1fr)", cell: (run) => <Labels labels={run.labels} /> },
];

export const USUAL_COLUMNS = ["state", "recipe", "model", "progress", "created"];

/** Returns the columns of the keys, in their order; a key that is not known is left out. */
export function columnsOf(keys: readonly string[]): Column[] {
  return keys.flatMap((key) => {
    if (key.startsWith(SETTING)) return [settingColumn(key.slice(SETTING.length))];
    return COLUMNS.filter((column) => column.key === key);
  });
}

function settingColumn(name: string): Column {
  return { key: SETTING + name, label: name, width: "minmax(110px, 0.8fr)", cell: (run) => settingText(run.config[name]) };
}

function settingText(value: unknown): string {
  if (value === undefined || value === null) return "—";
  if (typeof value === "number") return shortNumber(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}

function lossOf(run: Run): string {
  return run.progress.loss == null ? "—" : shortNumber(run.progress.loss);
}

function ownerOf(run: Run, owners: Map<string, string>): string {
  return run.owner_id === null ? "—" : (owners.get(run.owner_id) ?? run.owner_id.slice(0, 8));
}

function Duration({ run }: { run: Run }) {
  const now = useNow();
  if (!run.started_at) return "—";
  const end = run.finished_at ? Date.parse(run.finished_at) : now;
  return spanOf((end - Date.parse(run.started_at)) / 1000);
}

function Labels({ labels }: { labels: Record<string, string> }) {
  return (
    <Group gap={4} wrap="nowrap">
      {Object.entries(labels).map(([name, value]) => (
        <Badge key={name} size="sm" variant="default" tt="none">
          {name}={value}
        </Badge>
      ))}
    </Group>
  );
}

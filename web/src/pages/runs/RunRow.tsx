import { useLingui } from "@lingui/react/macro";
import { Anchor, Checkbox, Group, Skeleton, Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { CSSProperties } from "react";
import type { Run } from "../../api/client";
import { Age } from "../../components/Age";
import { ProgressText } from "../../components/ProgressText";
import { StatusBadge } from "../../components/StatusBadge";
import type { Column } from "./columns";
import classes from "./RunTable.module.css";

interface RunRowProps {
  index: number;
  /** Undefined while it is on its way. */
  run: Run | undefined;
  columns: Column[];
  owners: Map<string, string>;
  isNarrow: boolean;
  isActive: boolean;
  isSelected: boolean;
  style: CSSProperties;
  onActivate: () => void;
  onSelect: (ids: string[], isSelected: boolean) => void;
}

/** The widths of the table's columns: for choosing, for the name, and the others. */
export function tracksOf(columns: readonly Column[]): string {
  return ["44px", "minmax(180px, 1.6fr)", ...columns.map((column) => column.width)].join(" ");
}

/** A run as a row, or on a narrow screen as a card. */
export function RunRow({ index, run, columns, owners, isNarrow, isActive, isSelected, style, onActivate, onSelect }: RunRowProps) {
  return (
    <div
      id={`run-${index}`}
      role="row"
      aria-rowindex={index + 2}
      aria-selected={isSelected}
      className={classes["row"]}
      style={isNarrow ? { ...style, gridTemplateColumns: "44px 1fr" } : style}
      data-active={isActive || undefined}
      onPointerDown={onActivate}
    >
      <div role="gridcell" className={classes["check"]}>
        {run && <Choice run={run} isSelected={isSelected} onSelect={onSelect} />}
      </div>
      <div role="gridcell" className={classes["cell"]}>
        {run === undefined ? <Skeleton height={12} width="60%" /> : isNarrow ? <Card run={run} /> : <Name run={run} />}
      </div>
      {!isNarrow &&
        run &&
        columns.map((column) => (
          <div key={column.key} role="gridcell" className={classes["cell"]}>
            {column.cell(run, owners)}
          </div>
        ))}
    </div>
  );
}

function Choice({ run, isSelected, onSelect }: { run: Run } & Pick<RunRowProps, "isSelected" | "onSelect">) {
  const { t } = useLingui();
  return (
    <Checkbox
      // The arrow keys move between rows, and the space bar chooses one.
      tabIndex={-1}
      aria-label={t`Select ${run.name ?? run.id}`}
      checked={isSelected}
      onChange={(event) => onSelect([run.uid], event.currentTarget.checked)}
    />
  );
}

function Name({ run }: { run: Run }) {
  const name = run.name ?? run.id;
  return (
    <Anchor
      component={Link}
      to={`/runs/${run.uid}`}
      tabIndex={-1}
      fz="sm"
      title={name}
      {...(run.name ? {} : { ff: "monospace" })}
    >
      {name}
    </Anchor>
  );
}

function Card({ run }: { run: Run }) {
  return (
    <Stack gap={2}>
      <Group justify="space-between" wrap="nowrap" gap="xs">
        <Text component="span" truncate>
          <Name run={run} />
        </Text>
        <StatusBadge status={run.status} />
      </Group>
      <Text fz="sm" truncate>
        <ProgressText run={run} />
      </Text>
      <Text fz="sm" truncate>
        {run.recipe} · <Age at={run.created_at} />
      </Text>
    </Stack>
  );
}

import { Trans, useLingui } from "@lingui/react/macro";
import { Checkbox, Text, UnstyledButton } from "@mantine/core";
import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import type { CSSProperties } from "react";
import type { Run } from "../../api/client";
import type { RunSort, SortDirection } from "../../api/runList";
import type { Column } from "./columns";
import { RunRow, tracksOf } from "./RunRow";
import classes from "./RunTable.module.css";
import type { TableWindow } from "./useTableWindow";

const REVERSED = { asc: "desc", desc: "asc" } as const;

/** Of times the newest come first, of anything else the least. */
function firstWay(sort: RunSort | undefined): SortDirection {
  return sort === "created" || sort === "finished" ? "desc" : "asc";
}

interface RunTableProps {
  window: TableWindow;
  columns: Column[];
  owners: Map<string, string>;
  runAt: (index: number) => Run | undefined;
  total: number;
  selected: ReadonlySet<string>;
  sort: RunSort;
  direction: SortDirection;
  onSort: (sort: RunSort, direction: SortDirection) => void;
  onSelect: (ids: string[], isSelected: boolean) => void;
  onKeyDown: (event: React.KeyboardEvent) => void;
}

/** As many rows as are in sight, in a frame as high as all of them would be. */
export function RunTable(props: RunTableProps) {
  const { window, columns, owners, runAt, total, selected, onSelect } = props;
  const { t } = useLingui();
  const style: CSSProperties = { gridTemplateColumns: tracksOf(columns) };
  return (
    <div
      ref={window.frame}
      className={classes["frame"]}
      role="grid"
      tabIndex={0}
      aria-label={t`Runs`}
      aria-multiselectable
      aria-rowcount={total + 1}
      aria-activedescendant={`run-${window.active}`}
      onKeyDown={props.onKeyDown}
    >
      {!window.isNarrow && <Head {...props} style={style} />}
      <div className={classes["body"]} role="rowgroup" style={{ height: window.rows.getTotalSize() }}>
        {window.rows.getVirtualItems().map(({ index, start, size }) => (
          <RunRow
            key={index}
            index={index}
            run={runAt(index)}
            columns={columns}
            owners={owners}
            isNarrow={window.isNarrow}
            isActive={index === window.active}
            isSelected={selected.has(runAt(index)?.uid ?? "")}
            style={{ ...style, height: size, transform: `translateY(${start}px)` }}
            onActivate={() => window.setActive(index)}
            onSelect={onSelect}
          />
        ))}
      </div>
    </div>
  );
}

function Head({ window, columns, runAt, selected, sort, direction, onSort, onSelect, style }: RunTableProps & { style: CSSProperties }) {
  const { t, i18n } = useLingui();
  const shown = window.seen().flatMap((index) => runAt(index)?.uid ?? []);
  const count = shown.filter((id) => selected.has(id)).length;
  const named: Pick<Column, "key" | "label" | "sort">[] = [{ key: "name", label: t`Run`, sort: "name" }, ...columns];
  return (
    <div role="rowgroup" className={classes["head"]}>
      <div role="row" aria-rowindex={1} className={classes["head"]} style={style}>
        <div role="columnheader" className={classes["check"]}>
          <Checkbox
            aria-label={t`Select the runs in sight`}
            checked={count > 0 && count === shown.length}
            indeterminate={count > 0 && count < shown.length}
            onChange={(event) => onSelect(shown, event.currentTarget.checked)}
          />
        </div>
        {named.map((column) => {
          const label = typeof column.label === "string" ? column.label : i18n._(column.label);
          const isSorted = column.sort === sort;
          const Icon = direction === "asc" ? IconArrowUp : IconArrowDown;
          return (
            <div
              key={column.key}
              role="columnheader"
              className={classes["cell"]}
              {...(isSorted ? { "aria-sort": direction === "asc" ? "ascending" : "descending" } : {})}
            >
              {column.sort === undefined ? (
                <Text fw={600} fz="sm" truncate title={label}>
                  {label}
                </Text>
              ) : (
                <UnstyledButton
                  className={classes["sort"]}
                  onClick={() => onSort(column.sort as RunSort, isSorted ? REVERSED[direction] : firstWay(column.sort))}
                >
                  {label}
                  {isSorted && <Icon size={14} aria-hidden />}
                </UnstyledButton>
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

export function NoRuns({ isFiltered }: { isFiltered: boolean }) {
  return <Text>{isFiltered ? <Trans>No run fits this filter.</Trans> : <Trans>There is no run here yet.</Trans>}</Text>;
}

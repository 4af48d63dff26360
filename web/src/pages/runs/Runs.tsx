import { Plural, Trans } from "@lingui/react/macro";
import { Group, Loader, Stack, Text, Title } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useMe } from "../../api/account";
import { useOwnerNames, useRunCount, useRunList } from "../../api/runList";
import { ErrorNotice } from "../../components/ErrorNotice";
import { columnsOf, USUAL_COLUMNS } from "./columns";
import { ColumnMenu } from "./ColumnMenu";
import { Filters } from "./Filters";
import { NoRuns, RunTable } from "./RunTable";
import { SavedViews } from "./SavedViews";
import { filterOf } from "./search";
import { SelectionBar } from "./SelectionBar";
import { useRunsView } from "./useRunsView";
import { useTableWindow } from "./useTableWindow";

/** Rows that a page key goes on by. */
const STEP = 10;

/** The runs that one may see; filter, order, columns and what is chosen are in the address. */
export function Runs() {
  const me = useMe();
  const navigate = useNavigate({ from: "/runs" });
  const { search, change, select } = useRunsView();
  const filter = filterOf(search);
  const total = useRunCount(filter);
  const window = useTableWindow(total ?? 0);
  const inSight = window.rows.getVirtualItems();
  const list = useRunList(filter, inSight[0]?.index ?? 0, inSight.at(-1)?.index ?? 0);
  const seesUsers = me.data?.permissions.includes("users:read") ?? false;
  const owners = useOwnerNames(seesUsers);
  const { columns = USUAL_COLUMNS, selected = [], sort = "created", direction = "desc" } = search;

  const onKeyDown = (event: React.KeyboardEvent) => {
    // What lies within takes its own keys.
    const isOwn = event.target === event.currentTarget;
    const { active, goTo } = window;
    const run = list.runAt(active);
    const moves: Record<string, number> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + STEP,
      PageUp: active - STEP,
      Home: 0,
      End: (total ?? 1) - 1,
    };
    const target = moves[event.key];
    if (target !== undefined) goTo(target);
    else if (event.key === " " && run && isOwn) select([run.uid], !selected.includes(run.uid));
    else if (event.key === "Enter" && run && isOwn) void navigate({ to: `/runs/${run.uid}` });
    else if (event.key === "Escape" && selected.length > 0) change({ selected: [] });
    else return;
    event.preventDefault();
  };

  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Group align="baseline">
          <Title order={1}>
            <Trans>Runs</Trans>
          </Title>
          {total !== undefined && (
            <Text fz="sm" aria-live="polite">
              <Plural value={total} one="# run" other="# runs" />
            </Text>
          )}
        </Group>
        <Group gap="xs">
          <ColumnMenu chosen={columns} runs={list.runs} onChange={(keys) => change({ columns: keys })} />
          <SavedViews />
        </Group>
      </Group>
      <Filters owners={seesUsers ? [...owners.values()] : []} />
      {selected.length > 0 && <SelectionBar ids={selected} onClear={() => change({ selected: [] })} />}
      {list.error && <ErrorNotice error={list.error} onRetry={list.refetch} />}
      {total === undefined && !list.error && <Loader />}
      {total === 0 && <NoRuns isFiltered={Object.keys(filter).some((key) => key !== "sort" && key !== "direction")} />}
      {total !== undefined && total > 0 && (
        <RunTable
          window={window}
          columns={columnsOf(columns)}
          owners={owners}
          runAt={list.runAt}
          total={total}
          selected={new Set(selected)}
          sort={sort}
          direction={direction}
          onSort={(next, way) => change({ sort: next, direction: way })}
          onSelect={select}
          onKeyDown={onKeyDown}
        />
      )}
    </Stack>
  );
}

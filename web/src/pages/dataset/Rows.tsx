import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { Loader, NumberInput, Stack, Text } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useState } from "react";
import { ROWS, useRows, useStatistics, type DatasetVersion } from "../../api/datasets";
import { ErrorNotice } from "../../components/ErrorNotice";
import { VirtualList } from "../../components/VirtualList";
import { RowView } from "./RowView";

/** The rows of a version, of which those that are seen are read. */
export function Rows({ version }: { version: DatasetVersion }) {
  const { t } = useLingui();
  const { row } = useSearch({ from: "/datasets/$datasetId" });
  const navigate = useNavigate({ from: "/datasets/$datasetId" });
  const [span, setSpan] = useState<readonly [number, number]>([0, 0]);
  const statistics = useStatistics(version.dataset_id, version.version);
  const rows = useRows(version.dataset_id, version.version, pagesOf(span));
  const show = useCallback((first: number, last: number) => setSpan([first, last]), []);
  const start = rows.pages.get(0);
  // Until the whole file has been read once, only what is known to be there is shown.
  const isPart = statistics.data === undefined && start?.has_more === true;
  const count = statistics.data?.rows ?? start?.rows.length ?? 0;
  if (rows.error && count === 0) return <ErrorNotice error={rows.error} />;
  if (count === 0) return start === undefined ? <Loader /> : <NoRow />;
  return (
    <Stack>
      <Text fz="sm">
        {isPart && statistics.isPending && <Trans>The rows are being counted; the first {count} are here.</Trans>}
        {isPart && statistics.isError && <Trans>The rows could not be counted; the first {count} are here.</Trans>}
        {!isPart && <Plural value={count} one="# row" other="# rows" />}
      </Text>
      {isPart && statistics.error && <ErrorNotice error={statistics.error} onRetry={statistics.refetch} />}
      <NumberInput
        label={t`Go to row`}
        maw={200}
        min={1}
        max={count}
        allowDecimal={false}
        value={row ?? ""}
        onChange={(value) =>
          navigate({
            replace: true,
            search: ({ row: _, ...rest }) => (typeof value === "number" && value > 0 ? { ...rest, row: value } : rest),
          })
        }
      />
      {rows.error && <ErrorNotice error={rows.error} />}
      <VirtualList
        label={t`Rows`}
        count={count}
        height={120}
        onShown={show}
        {...(row === undefined ? {} : { start: row - 1 })}
      >
        {(index) => (
          <RowView number={index + 1} row={rows.pages.get(Math.floor(index / ROWS))?.rows[index % ROWS]} />
        )}
      </VirtualList>
    </Stack>
  );
}

function NoRow() {
  return (
    <Text>
      <Trans>It holds no row.</Trans>
    </Text>
  );
}

/** Returns the pages between two rows, and the first one, which says whether there are more. */
function pagesOf([first, last]: readonly [number, number]): number[] {
  const found = new Set([0]);
  for (let page = Math.floor(first / ROWS); page <= Math.floor(last / ROWS); page++) found.add(page);
  return [...found];
}

import { Trans, useLingui } from "@lingui/react/macro";
import { Loader, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { useDifference, type PreviewRow } from "../../api/datasets";
import { ErrorNotice } from "../../components/ErrorNotice";
import { RowView } from "./RowView";

/** Which rows came and went between two versions. */
export function Difference({ datasetId, old, fresh }: { datasetId: string; old: number; fresh: number }) {
  const { i18n } = useLingui();
  const found = useDifference(datasetId, old, fresh);
  if (found.error) return <ErrorNotice error={found.error} onRetry={found.refetch} />;
  if (found.data === undefined) return <Loader />;
  const { added, removed, kept, first_added: came, first_removed: went } = found.data;
  return (
    <Stack component="section">
      <Title order={2} fz="h4">
        <Trans>
          From version {old} to version {fresh}
        </Trans>
      </Title>
      <Text>
        <Trans>
          Rows added: {i18n.number(added)}, removed: {i18n.number(removed)}, kept: {i18n.number(kept)}. Their order does
          not matter.
        </Trans>
      </Text>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <FirstRows title={<Trans>The first rows added</Trans>} rows={came} />
        <FirstRows title={<Trans>The first rows removed</Trans>} rows={went} />
      </SimpleGrid>
    </Stack>
  );
}

function FirstRows({ title, rows }: { title: React.ReactNode; rows: PreviewRow[] }) {
  if (rows.length === 0) return null;
  return (
    <Stack gap="xs">
      <Title order={3} fz="md">
        {title}
      </Title>
      {rows.map((row) => (
        <RowView key={row.number} number={row.number} row={row} />
      ))}
    </Stack>
  );
}

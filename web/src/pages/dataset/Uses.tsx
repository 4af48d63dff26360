import { Trans } from "@lingui/react/macro";
import { Anchor, Button, Group, Loader, Stack, Table, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useDatasetRuns } from "../../api/datasets";
import { Age } from "../../components/Age";
import { ErrorNotice } from "../../components/ErrorNotice";
import { StatusBadge } from "../../components/StatusBadge";

/** The runs that read the dataset. */
export function Uses({ datasetId }: { datasetId: string }) {
  const runs = useDatasetRuns(datasetId);
  if (runs.error) return <ErrorNotice error={runs.error} onRetry={runs.refetch} />;
  if (runs.data === undefined) return <Loader />;
  const uses = runs.data.pages.flatMap((page) => page.uses);
  if (uses.length === 0)
    return (
      <Text>
        <Trans>No run that you may see reads it.</Trans>
      </Text>
    );
  return (
    <Stack>
      <Table.ScrollContainer minWidth={480}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>
                <Trans>Run</Trans>
              </Table.Th>
              <Table.Th>
                <Trans>State</Trans>
              </Table.Th>
              <Table.Th>
                <Trans>Recipe</Trans>
              </Table.Th>
              <Table.Th>
                <Trans>Version</Trans>
              </Table.Th>
              <Table.Th>
                <Trans>Created</Trans>
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {uses.map((use) => (
              <Table.Tr key={`${use.run_id}:${use.config_field}`}>
                <Table.Td>
                  <Anchor component={Link} to={`/runs/${use.run_id}`}>
                    {use.run_name ?? use.run_id}
                  </Anchor>
                </Table.Td>
                <Table.Td>
                  <StatusBadge status={use.status} />
                </Table.Td>
                <Table.Td>{use.recipe}</Table.Td>
                <Table.Td>
                  <Group gap={4}>
                    {use.version}
                    <Text fz="xs" ff="monospace">
                      {use.config_field}
                    </Text>
                  </Group>
                </Table.Td>
                <Table.Td>
                  <Age at={use.created_at} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {runs.hasNextPage && (
        <Button variant="default" loading={runs.isFetchingNextPage} onClick={() => runs.fetchNextPage()}>
          <Trans>Show more</Trans>
        </Button>
      )}
    </Stack>
  );
}

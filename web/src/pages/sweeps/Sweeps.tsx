import { Trans } from "@lingui/react/macro";
import { Anchor, Button, Group, Loader, Stack, Table, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useSweeps, type Sweep } from "../../api/sweeps";
import { Age } from "../../components/Age";
import { ErrorNotice } from "../../components/ErrorNotice";
import { StatusCounts } from "../../components/StatusCounts";

/** All sweeps that one may see, newest first. */
export function Sweeps() {
  const sweeps = useSweeps();
  const found = sweeps.data?.pages.flatMap((page) => page.sweeps) ?? [];
  return (
    <Stack>
      <Title order={1}>
        <Trans>Sweeps</Trans>
      </Title>
      {sweeps.error && <ErrorNotice error={sweeps.error} onRetry={sweeps.refetch} />}
      {sweeps.isPending && <Loader />}
      {sweeps.data && found.length === 0 && (
        <Text>
          <Trans>
            There is no sweep yet. In a <Link to="/new">new run</Link>, give a setting several values: each combination
            becomes a run.
          </Trans>
        </Text>
      )}
      {found.length > 0 && <SweepList sweeps={found} />}
      {sweeps.hasNextPage && (
        <Group>
          <Button variant="default" loading={sweeps.isFetchingNextPage} onClick={() => sweeps.fetchNextPage()}>
            <Trans>Show older ones</Trans>
          </Button>
        </Group>
      )}
    </Stack>
  );
}

function SweepList({ sweeps }: { sweeps: readonly Sweep[] }) {
  return (
    <Table.ScrollContainer minWidth={480}>
      <Table highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>
              <Trans>Sweep</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Recipe</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Runs</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Created</Trans>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {sweeps.map((sweep) => (
            <Table.Tr key={sweep.id}>
              <Table.Td>
                <Anchor component={Link} to={`/sweeps/${sweep.id}`} style={{ overflowWrap: "anywhere" }}>
                  {sweep.name ?? Object.keys(sweep.grid).join(" × ")}
                </Anchor>
              </Table.Td>
              <Table.Td>{sweep.recipe}</Table.Td>
              <Table.Td>
                <StatusCounts counts={sweep.run_counts} />
              </Table.Td>
              <Table.Td>
                <Age at={sweep.created_at} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

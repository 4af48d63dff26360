import { Trans, useLingui } from "@lingui/react/macro";
import { Anchor, Button, Group, Select, Stack, Table, Text, Title } from "@mantine/core";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useRuns } from "../../api/runs";
import { Age } from "../../components/Age";
import { ErrorNotice } from "../../components/ErrorNotice";
import { ProgressText } from "../../components/ProgressText";
import { StatusBadge } from "../../components/StatusBadge";
import { RUN_STATUSES, STATUS_WORDS } from "../../kit/status";
import type { RunStatus } from "../../api/client";

/** The runs that one may see, newest first; the filter is in the address. */
export function Runs() {
  const { t, i18n } = useLingui();
  const filter = useSearch({ from: "/runs" });
  const navigate = useNavigate({ from: "/runs" });
  const runs = useRuns(filter);
  const rows = runs.data?.pages.flatMap((page) => page.runs) ?? [];
  return (
    <Stack>
      <Title order={1}>
        <Trans>Runs</Trans>
      </Title>
      <Group align="end">
        <Select
          label={t`State`}
          placeholder={t`all`}
          clearable
          clearButtonProps={{ "aria-label": t`Show all states` }}
          data={RUN_STATUSES.map((status) => ({ value: status, label: i18n._(STATUS_WORDS[status]) }))}
          value={filter.status ?? null}
          onChange={(status) =>
            navigate({ search: ({ status: _, ...rest }) => (status ? { ...rest, status: status as RunStatus } : rest) })
          }
        />
      </Group>
      {runs.error && <ErrorNotice error={runs.error} onRetry={() => runs.refetch()} />}
      {runs.isSuccess && rows.length === 0 && (
        <Text>
          <Trans>There is no run here yet.</Trans>
        </Text>
      )}
      {rows.length > 0 && (
        <Table.ScrollContainer minWidth={640}>
          <Table highlightOnHover>
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
                  <Trans>Model</Trans>
                </Table.Th>
                <Table.Th>
                  <Trans>Progress</Trans>
                </Table.Th>
                <Table.Th>
                  <Trans>Created</Trans>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows.map((run) => (
                <Table.Tr key={run.id}>
                  <Table.Td>
                    <Anchor component={Link} to={`/runs/${run.id}`} {...(run.name ? {} : { ff: "monospace" })}>
                      {run.name ?? run.id}
                    </Anchor>
                  </Table.Td>
                  <Table.Td>
                    <StatusBadge status={run.status} />
                  </Table.Td>
                  <Table.Td>{run.recipe}</Table.Td>
                  <Table.Td>{run.model_name ?? "—"}</Table.Td>
                  <Table.Td>
                    <ProgressText run={run} />
                  </Table.Td>
                  <Table.Td>
                    <Age at={run.created_at} />
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      {runs.hasNextPage && (
        <Button variant="default" loading={runs.isFetchingNextPage} onClick={() => runs.fetchNextPage()}>
          <Trans>Show more</Trans>
        </Button>
      )}
    </Stack>
  );
}

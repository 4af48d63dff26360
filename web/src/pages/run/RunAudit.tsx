import { Trans, useLingui } from "@lingui/react/macro";
import { Button, Code, Group, Loader, Stack, Table, Text } from "@mantine/core";
import type { Run } from "../../api/client";
import { useAudit } from "../../api/audit";
import { ErrorNotice } from "../../components/ErrorNotice";
import { instantOf } from "../../kit/time";

/** Who did what with the run, newest first. */
export function RunAudit({ run }: { run: Run }) {
  const { i18n } = useLingui();
  const audit = useAudit({ target: run.id });
  if (audit.error) return <ErrorNotice error={audit.error} onRetry={audit.refetch} />;
  if (audit.data === undefined) return <Loader />;
  const entries = audit.data.pages.flatMap((page) => page.entries);
  if (entries.length === 0)
    return (
      <Text>
        <Trans>Nothing stands in the audit log.</Trans>
      </Text>
    );
  return (
    <Stack>
      <Table.ScrollContainer minWidth={560}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>
                <Trans>Time</Trans>
              </Table.Th>
              <Table.Th>
                <Trans>Who</Trans>
              </Table.Th>
              <Table.Th>
                <Trans>What</Trans>
              </Table.Th>
              <Table.Th>
                <Trans>Details</Trans>
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {entries.map((entry) => (
              <Table.Tr key={entry.id}>
                <Table.Td style={{ whiteSpace: "nowrap" }}>{instantOf(entry.at, i18n.locale)}</Table.Td>
                <Table.Td>{entry.user_name}</Table.Td>
                <Table.Td>
                  <Code>{entry.action}</Code> {entry.result !== "ok" && entry.result}
                </Table.Td>
                <Table.Td style={{ overflowWrap: "anywhere" }}>{changesOf(entry.details)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {audit.hasNextPage && (
        <Group>
          <Button size="xs" variant="default" loading={audit.isFetching} onClick={() => void audit.fetchNextPage()}>
            <Trans>Show more</Trans>
          </Button>
        </Group>
      )}
    </Stack>
  );
}

function changesOf(details: Record<string, unknown>): string {
  const changes = details["changes"];
  return Array.isArray(changes) ? changes.join(", ") : "";
}

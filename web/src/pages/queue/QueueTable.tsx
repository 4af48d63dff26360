import { Trans } from "@lingui/react/macro";
import { Anchor, Button, Group, Table, VisuallyHidden } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useMayChange } from "../../api/account";
import type { QueueEntry } from "../../api/queue";
import { useRunAction } from "../../api/runs";
import { Age } from "../../components/Age";
import { ConfirmButton } from "../../components/ConfirmButton";
import { ErrorNotice } from "../../components/ErrorNotice";

export function QueueTable({ entries }: { entries: QueueEntry[] }) {
  return (
    <Table.ScrollContainer minWidth={720}>
      <Table highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>
              <Trans>Place</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Run</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Recipe</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Priority</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Created</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>What it waits for</Trans>
            </Table.Th>
            <Table.Th>
              <VisuallyHidden>
                <Trans>Actions</Trans>
              </VisuallyHidden>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {entries.map((entry) => (
            <Row key={entry.run.uid} entry={entry} />
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Row({ entry: { run, position, message } }: { entry: QueueEntry }) {
  const action = useRunAction(run.id);
  const mayChange = useMayChange("runs")(run.owner_id);
  const name = run.name ?? run.id;
  return (
    <Table.Tr>
      <Table.Td>{position}</Table.Td>
      <Table.Td>
        <Anchor component={Link} to={`/runs/${run.id}`} inherit {...(run.name ? {} : { ff: "monospace" })}>
          {name}
        </Anchor>
      </Table.Td>
      <Table.Td>{run.recipe}</Table.Td>
      <Table.Td>{run.priority}</Table.Td>
      <Table.Td>
        <Age at={run.created_at} />
      </Table.Td>
      <Table.Td>{message}</Table.Td>
      <Table.Td>
        {action.error && <ErrorNotice error={action.error} />}
        {mayChange && (
          <Group gap="xs" wrap="nowrap">
            <Button size="xs" variant="default" onClick={() => action.mutate("pause")}>
              <Trans>Pause</Trans>
            </Button>
            <ConfirmButton
              question={<Trans>Cancel the run {name}?</Trans>}
              consequence={<Trans>It leaves the queue, and does not start.</Trans>}
              onConfirm={() => action.mutate("cancel")}
            >
              <Trans>Cancel</Trans>
            </ConfirmButton>
          </Group>
        )}
      </Table.Td>
    </Table.Tr>
  );
}

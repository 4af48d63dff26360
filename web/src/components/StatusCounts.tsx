import { Group, Text } from "@mantine/core";
import type { RunStatus } from "../api/client";
import { RUN_STATUSES } from "../kit/status";
import { StatusBadge } from "./StatusBadge";

/** How many runs are in each state. */
export function StatusCounts({ counts }: { counts: Partial<Record<RunStatus, number>> }) {
  const found = RUN_STATUSES.filter((status) => counts[status]);
  return (
    <Group gap="xs">
      {found.map((status) => (
        <Group key={status} gap={4} wrap="nowrap">
          <Text fz="sm">{counts[status]}</Text>
          <StatusBadge status={status} />
        </Group>
      ))}
    </Group>
  );
}

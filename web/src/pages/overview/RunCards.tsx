import { Anchor, Card, Group, Progress, SimpleGrid, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { Run } from "../../api/client";
import { Age } from "../../components/Age";
import { ProgressText } from "../../components/ProgressText";
import { StatusBadge } from "../../components/StatusBadge";

/** `runs`: undefined until they have come. */
export function RunCards({ runs, none }: { runs: Run[] | undefined; none: React.ReactNode }) {
  if (runs === undefined) return null;
  if (runs.length === 0) return <Text fz="sm">{none}</Text>;
  return (
    <SimpleGrid cols={{ base: 1, md: 2, xl: 3 }}>
      {runs.map((run) => (
        <Card key={run.uid} withBorder padding="sm">
          <Group justify="space-between" wrap="nowrap">
            <Anchor component={Link} to={`/runs/${run.id}`} fw={600} truncate>
              {run.name ?? run.id}
            </Anchor>
            <StatusBadge status={run.status} />
          </Group>
          <Text fz="sm">
            {run.recipe} · <Age at={run.finished_at ?? run.started_at ?? run.created_at} />
          </Text>
          {run.status === "running" && <Progress mt="xs" value={run.progress.fraction * 100} aria-hidden />}
          <Text fz="sm">
            <ProgressText run={run} />
          </Text>
          {run.error && (
            <Text fz="sm" lineClamp={2}>
              {run.error}
            </Text>
          )}
        </Card>
      ))}
    </SimpleGrid>
  );
}

import { Trans } from "@lingui/react/macro";
import { Anchor, Card, Group, Progress, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { Run } from "../../api/client";
import { useRuns, useSystem } from "../../api/runs";
import { Age } from "../../components/Age";
import { ErrorNotice } from "../../components/ErrorNotice";
import { ProgressText } from "../../components/ProgressText";
import { StatusBadge } from "../../components/StatusBadge";
import { FINISHED } from "../../kit/status";
import { Devices } from "./Devices";

/** What runs, what waits, what ended last, and on which devices. */
export function Overview() {
  const runs = useRuns({});
  const system = useSystem();
  const all = runs.data?.pages[0]?.runs ?? [];
  const waiting = all.filter((run) => run.status === "queued").reverse();
  const live = all.filter((run) => !FINISHED.has(run.status) && run.status !== "queued");
  const ended = all.filter((run) => FINISHED.has(run.status)).slice(0, 5);
  return (
    <Stack gap="lg">
      <Title order={1}>
        <Trans>Overview</Trans>
      </Title>
      {runs.error && <ErrorNotice error={runs.error} onRetry={runs.refetch} />}
      {system.data && <Devices system={system.data} />}
      <Section title={<Trans>Under way</Trans>} runs={live} none={<Trans>Nothing runs at the moment.</Trans>} />
      <Section title={<Trans>Waiting</Trans>} runs={waiting} none={<Trans>Nothing waits.</Trans>} />
      <Section title={<Trans>Ended last</Trans>} runs={ended} none={<Trans>Nothing has ended yet.</Trans>} />
    </Stack>
  );
}

function Section({ title, runs, none }: { title: React.ReactNode; runs: Run[]; none: React.ReactNode }) {
  return (
    <Stack gap="xs" component="section">
      <Title order={2} fz="h4">
        {title}
      </Title>
      {runs.length === 0 && <Text fz="sm">{none}</Text>}
      <SimpleGrid cols={{ base: 1, md: 2, xl: 3 }}>
        {runs.map((run) => (
          <Card key={run.id} withBorder padding="sm">
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
          </Card>
        ))}
      </SimpleGrid>
    </Stack>
  );
}

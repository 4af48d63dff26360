import { Trans } from "@lingui/react/macro";
import { Anchor, Button, Card, Group, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useMe } from "../../api/account";
import { useAttention } from "../../api/attention";
import { useQueue } from "../../api/queue";
import { useRunCount } from "../../api/runList";
import { useRunsIn, useSystem } from "../../api/runs";
import { AttentionNotices } from "../../components/AttentionNotices";
import { DeviceUses } from "../../components/DeviceUses";
import { ErrorNotice } from "../../components/ErrorNotice";
import { FINISHED, RUN_STATUSES } from "../../kit/status";
import { Devices } from "./Devices";
import { RunCards } from "./RunCards";
import { Waiting } from "./Waiting";

const LIVE_STATUSES = RUN_STATUSES.filter((status) => !FINISHED.has(status) && status !== "queued");
const MOST_LIVE = 50;
const MOST_ENDED = 6;

/** What runs, what waits and why, what needs attention, what ended last, and on which devices. */
export function Overview() {
  const live = useRunsIn(LIVE_STATUSES, "created", MOST_LIVE);
  const ended = useRunsIn([...FINISHED], "finished", MOST_ENDED);
  const count = useRunCount({});
  const system = useSystem();
  const queue = useQueue();
  const attention = useAttention();
  const me = useMe();
  const first = queue.data?.pages[0];
  const mayTrain = me.data?.permissions.includes("runs:write") ?? false;
  return (
    <Stack gap="lg">
      <Title order={1}>
        <Trans>Overview</Trans>
      </Title>
      {live.error && <ErrorNotice error={live.error} onRetry={live.refetch} />}
      {ended.error && <ErrorNotice error={ended.error} onRetry={ended.refetch} />}
      {count === 0 && mayTrain && <Welcome />}
      {attention.error && <ErrorNotice error={attention.error} onRetry={attention.refetch} />}
      {attention.data && attention.data.length > 0 && (
        <Section title={<Trans>Needs attention</Trans>}>
          <AttentionNotices found={attention.data} />
        </Section>
      )}
      <Section title={<Trans>Under way</Trans>}>
        <RunCards runs={live.data} none={<Trans>Nothing runs at the moment.</Trans>} />
      </Section>
      <Section title={<Trans>Waiting</Trans>}>
        {queue.error && <ErrorNotice error={queue.error} onRetry={queue.refetch} />}
        {first && <Waiting queue={first} />}
      </Section>
      <Section title={<Trans>Devices</Trans>}>
        {system.error && <ErrorNotice error={system.error} onRetry={system.refetch} />}
        {system.data && <Devices system={system.data} />}
        {first && <DeviceUses devices={first.devices} system={system.data} />}
      </Section>
      <Section title={<Trans>Ended last</Trans>}>
        <RunCards runs={ended.data} none={<Trans>Nothing has ended yet.</Trans>} />
      </Section>
      {count !== undefined && count > 0 && mayTrain && (
        <Text fz="sm">
          <Anchor component={Link} to="/tour">
            <Trans>Take the tour: from data to a model that answers, in three steps</Trans>
          </Anchor>
        </Text>
      )}
    </Stack>
  );
}

function Section({ title, children }: { title: React.ReactNode; children: React.ReactNode }) {
  return (
    <Stack gap="xs" component="section">
      <Title order={2} fz="h4">
        {title}
      </Title>
      {children}
    </Stack>
  );
}

/** Shown while there is no run: the way to the first one. */
function Welcome() {
  return (
    <Card withBorder padding="lg">
      <Stack gap="sm">
        <Title order={2} fz="h3">
          <Trans>Train your first model</Trans>
        </Title>
        <Text>
          <Trans>Three steps, some two minutes, on this machine's processor: sample data, a training, and a model that answers.</Trans>
        </Text>
        <Group>
          <Button component={Link} to="/tour">
            <Trans>Take the tour</Trans>
          </Button>
        </Group>
      </Stack>
    </Card>
  );
}

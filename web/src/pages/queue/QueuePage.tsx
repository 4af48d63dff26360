import { Plural, Trans } from "@lingui/react/macro";
import { Button, Stack, Text, Title } from "@mantine/core";
import { useQueue } from "../../api/queue";
import { useSystem } from "../../api/runs";
import { DeviceUses } from "../../components/DeviceUses";
import { ErrorNotice } from "../../components/ErrorNotice";
import { QueueTable } from "./QueueTable";

/** What waits, in the order in which it starts, what for, and who holds the devices. */
export function QueuePage() {
  const queue = useQueue();
  const system = useSystem();
  const pages = queue.data?.pages ?? [];
  const entries = pages.flatMap((page) => page.entries);
  const length = pages[0]?.length ?? 0;
  const hidden = queue.hasNextPage ? 0 : length - entries.length;
  return (
    <Stack gap="lg">
      <Title order={1}>
        <Trans>Queue</Trans>
      </Title>
      {queue.error && <ErrorNotice error={queue.error} onRetry={queue.refetch} />}
      <Stack gap="xs" component="section">
        <Title order={2} fz="h4">
          <Trans>Devices</Trans>
        </Title>
        {system.data && (
          <Text fz="sm">
            <Trans>
              A run takes whole GPUs, or CPU slots: as many runs as there are slots share the processors. Engines share a GPU's
              memory.
            </Trans>
          </Text>
        )}
        <DeviceUses devices={pages[0]?.devices ?? []} system={system.data} />
      </Stack>
      <Stack gap="xs" component="section">
        <Title order={2} fz="h4">
          <Trans>Waiting</Trans>
        </Title>
        <Text fz="sm">
          <Trans>By priority, then by age. A run that fits may start before one that does not fit yet, twenty times at most.</Trans>
        </Text>
        {queue.isSuccess && length === 0 && (
          <Text fz="sm">
            <Trans>Nothing waits.</Trans>
          </Text>
        )}
        {entries.length > 0 && <QueueTable entries={entries} />}
        {hidden > 0 && (
          <Text fz="sm">
            <Plural value={hidden} one="# run of others waits, too." other="# runs of others wait, too." />
          </Text>
        )}
        {queue.hasNextPage && (
          <Button variant="default" w="fit-content" loading={queue.isFetchingNextPage} onClick={() => queue.fetchNextPage()}>
            <Trans>Show more</Trans>
          </Button>
        )}
      </Stack>
    </Stack>
  );
}

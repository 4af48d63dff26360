import { Trans } from "@lingui/react/macro";
import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import type { Run, RunStatus } from "../../api/client";
import { useMayChange } from "../../api/account";
import { useRunAction } from "../../api/runs";
import { ErrorNotice } from "../../components/ErrorNotice";
import { FINISHED } from "../../kit/status";
import { RunMenu } from "./RunMenu";

const RESUMABLE: ReadonlySet<RunStatus> = new Set(["paused", "failed", "cancelled"]);

/** What can be asked of the run in its state, by those who may. */
export function RunActions({ run }: { run: Run }) {
  const mayChange = useMayChange("runs")(run.owner_id);
  const action = useRunAction(run.id);
  const [isAsking, asking] = useDisclosure();
  if (!mayChange) return <RunMenu run={run} mayChange={false} />;
  const isRunning = run.status === "running";
  return (
    <Stack gap="xs" align="end">
      <Group gap="xs">
        {isRunning && (
          <>
            <Button size="xs" variant="default" onClick={() => action.mutate("checkpoint")}>
              <Trans>Save now</Trans>
            </Button>
            <Button size="xs" variant="default" onClick={() => action.mutate("pause")}>
              <Trans>Pause</Trans>
            </Button>
            <Button size="xs" variant="default" onClick={() => action.mutate("stop")}>
              <Trans>Stop and keep the model</Trans>
            </Button>
          </>
        )}
        {RESUMABLE.has(run.status) && (
          <Button size="xs" variant="default" onClick={() => action.mutate("resume")}>
            <Trans>Resume</Trans>
          </Button>
        )}
        {!FINISHED.has(run.status) && (
          <Button size="xs" color="red" variant="outline" onClick={asking.open}>
            <Trans>Cancel</Trans>
          </Button>
        )}
        <RunMenu run={run} mayChange />
      </Group>
      {action.error && <ErrorNotice error={action.error} />}
      <Modal opened={isAsking} onClose={asking.close} title={<Trans>Cancel the run {run.name ?? run.id}?</Trans>}>
        <Stack>
          <Text>
            <Trans>It ends, and its model is not kept.</Trans>
          </Text>
          <Group justify="end">
            <Button variant="default" onClick={asking.close}>
              <Trans>Let it go on</Trans>
            </Button>
            <Button
              color="red"
              onClick={() => {
                action.mutate("cancel");
                asking.close();
              }}
            >
              <Trans>Cancel the run</Trans>
            </Button>
          </Group>
        </Stack>
      </Modal>
    </Stack>
  );
}

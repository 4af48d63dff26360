import { Trans } from "@lingui/react/macro";
import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useNavigate } from "@tanstack/react-router";
import type { Run, RunStatus } from "../../api/client";
import { useMayChange } from "../../api/account";
import { useRunAction } from "../../api/runs";
import { ConfirmButton } from "../../components/ConfirmButton";
import { ErrorNotice } from "../../components/ErrorNotice";
import { FINISHED } from "../../kit/status";
import { RunMenu } from "./RunMenu";

const RESUMABLE: ReadonlySet<RunStatus> = new Set(["paused", "failed", "cancelled"]);

/** What can be asked of the run in its state, by those who may. */
export function RunActions({ run }: { run: Run }) {
  const mayChange = useMayChange("runs")(run.owner_id);
  const navigate = useNavigate();
  const action = useRunAction(run.id);
  const [isAsking, asking] = useDisclosure();
  if (!mayChange) return <RunMenu run={run} mayChange={false} />;
  const resume = () =>
    action.mutate("resume", {
      // One that has ended goes on as a run of its own.
      onSuccess: ({ id }) => id !== run.id && void navigate({ to: `/runs/${id}` }),
    });
  const name = run.name ?? run.id;
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
            <ConfirmButton
              variant="default"
              question={<Trans>Stop the run {name} here?</Trans>}
              consequence={<Trans>It ends, and its model as it is by then is kept.</Trans>}
              onConfirm={() => action.mutate("stop")}
            >
              <Trans>Stop and keep the model</Trans>
            </ConfirmButton>
          </>
        )}
        {RESUMABLE.has(run.status) && (
          <Button size="xs" variant="default" onClick={resume}>
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
      <Modal opened={isAsking} onClose={asking.close} title={<Trans>Cancel the run {name}?</Trans>}>
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

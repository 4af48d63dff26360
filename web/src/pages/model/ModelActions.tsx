import { Trans } from "@lingui/react/macro";
import { Button, Group, Stack } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Link, useNavigate } from "@tanstack/react-router";
import { useMay, useMayChange } from "../../api/account";
import { useDeleteModel, useDeploy } from "../../api/models";
import { useRun } from "../../api/runs";
import { ConfirmByName } from "../../components/ConfirmByName";
import { ErrorNotice } from "../../components/ErrorNotice";

/** What can be done with the model, by those who may. */
export function ModelActions({ name, runId }: { name: string; runId: string | null }) {
  const may = useMay();
  const deploy = useDeploy();
  return (
    <Stack gap="xs">
      <Group gap="xs">
        {may("models:use") && (
          <Button size="xs" component={Link} to="/playground" search={{ model: name } as never}>
            <Trans>Try it</Trans>
          </Button>
        )}
        {may("deployments:write") && (
          <Button
            size="xs"
            variant="default"
            loading={deploy.isPending}
            onClick={() => deploy.mutate(name)}
          >
            <Trans>Deploy</Trans>
          </Button>
        )}
        {runId && <Deletion name={name} runId={runId} />}
      </Group>
      {deploy.error && <ErrorNotice error={deploy.error} />}
    </Stack>
  );
}

/** A model belongs to the owner of its run. */
function Deletion({ name, runId }: { name: string; runId: string }) {
  const run = useRun(runId).data;
  const mayChange = useMayChange("runs");
  const [isDeleting, deleting] = useDisclosure();
  if (run === undefined || !mayChange(run.owner_id)) return null;
  return (
    <>
      <Button size="xs" color="red" variant="outline" onClick={deleting.open}>
        <Trans>Delete</Trans>
      </Button>
      {isDeleting && <DeletionDialog name={name} runId={runId} onClose={deleting.close} />}
    </>
  );
}

function DeletionDialog({ name, runId, onClose }: { name: string; runId: string; onClose: () => void }) {
  const navigate = useNavigate();
  const removal = useDeleteModel(runId, () => void navigate({ to: "/models" }));
  return (
    <ConfirmByName
      name={name}
      title={<Trans>Delete the model {name}?</Trans>}
      error={removal.error}
      isBusy={removal.isPending}
      onClose={onClose}
      onConfirm={() => removal.mutate()}
    >
      <Trans>Its files and the checkpoints of its run are deleted. The run stays, with its curves and its log.</Trans>
    </ConfirmByName>
  );
}

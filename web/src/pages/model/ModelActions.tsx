import { Trans } from "@lingui/react/macro";
import { Button, Group, Stack } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Link, useNavigate } from "@tanstack/react-router";
import { useMe } from "../../api/account";
import { useDeleteModel, useDeploy } from "../../api/models";
import { ConfirmByName } from "../../components/ConfirmByName";
import { ErrorNotice } from "../../components/ErrorNotice";

/** What can be done with the model, by those who may. */
export function ModelActions({ name, runId }: { name: string; runId: string | null }) {
  const permissions = useMe().data?.permissions ?? [];
  const deploy = useDeploy();
  const [isDeleting, deleting] = useDisclosure();
  return (
    <Stack gap="xs">
      <Group gap="xs">
        <Button size="xs" component={Link} to="/playground" search={{ model: name } as never}>
          <Trans>Try it</Trans>
        </Button>
        {permissions.includes("deployments:write") && (
          <Button
            size="xs"
            variant="default"
            loading={deploy.isPending}
            onClick={() => deploy.mutate(name)}
          >
            <Trans>Deploy</Trans>
          </Button>
        )}
        {runId && permissions.includes("runs:write") && (
          <Button size="xs" color="red" variant="outline" onClick={deleting.open}>
            <Trans>Delete</Trans>
          </Button>
        )}
      </Group>
      {deploy.error && <ErrorNotice error={deploy.error} />}
      {isDeleting && runId && <Deletion name={name} runId={runId} onClose={deleting.close} />}
    </Stack>
  );
}

function Deletion({ name, runId, onClose }: { name: string; runId: string; onClose: () => void }) {
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

import { Trans, useLingui } from "@lingui/react/macro";
import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useMayChange, useMe } from "../../api/account";
import {
  contentAddress,
  useChangeDataset,
  useDeleteDataset,
  type Dataset,
  type DatasetVersion,
} from "../../api/datasets";
import { ConfirmByName } from "../../components/ConfirmByName";
import { ErrorNotice } from "../../components/ErrorNotice";

/** What can be done with the dataset, by those who may. */
export function DatasetActions({ dataset, version }: { dataset: Dataset; version: DatasetVersion }) {
  const navigate = useNavigate();
  const mayChange = useMayChange("datasets")(dataset.owner_id);
  const permissions = useMe().data?.permissions ?? [];
  const change = useChangeDataset(dataset.id);
  const removal = useDeleteDataset(dataset.id);
  const [isRenaming, renaming] = useDisclosure();
  const [isDeleting, deleting] = useDisclosure();
  return (
    <Stack gap="xs">
      <Group gap="xs">
        {permissions.includes("runs:write") && (
          <Button size="xs" component={Link} to="/new" search={{ data: version.reference } as never}>
            <Trans>Train on it</Trans>
          </Button>
        )}
        <Button
          size="xs"
          variant="default"
          component="a"
          href={contentAddress(dataset.id, version.version)}
          download={version.filename}
        >
          <Trans>Download</Trans>
        </Button>
        {mayChange && (
          <>
            <Button size="xs" variant="default" onClick={renaming.open}>
              <Trans>Rename</Trans>
            </Button>
            <Button size="xs" variant="default" onClick={() => change.mutate({ shared: !dataset.shared })}>
              {dataset.shared ? <Trans>Stop sharing</Trans> : <Trans>Share</Trans>}
            </Button>
            <Button size="xs" color="red" variant="outline" onClick={deleting.open}>
              <Trans>Delete</Trans>
            </Button>
          </>
        )}
      </Group>
      {change.error && <ErrorNotice error={change.error} />}
      {isRenaming && <Rename dataset={dataset} onClose={renaming.close} />}
      {isDeleting && (
        <ConfirmByName
          name={dataset.name}
          title={<Trans>Delete the dataset {dataset.name}?</Trans>}
          error={removal.error}
          isBusy={removal.isPending}
          onClose={deleting.close}
          onConfirm={() => removal.mutate(undefined, { onSuccess: () => void navigate({ to: "/datasets" }) })}
        >
          <Trans>All its versions go with it. Runs that have ended keep their results.</Trans>
        </ConfirmByName>
      )}
    </Stack>
  );
}

function Rename({ dataset, onClose }: { dataset: Dataset; onClose: () => void }) {
  const { t } = useLingui();
  const change = useChangeDataset(dataset.id);
  const [name, setName] = useState(dataset.name);
  return (
    <Modal opened onClose={onClose} title={<Trans>Rename</Trans>}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate({ name }, { onSuccess: onClose });
        }}
      >
        <Stack>
          <TextInput
            data-autofocus
            label={t`Name`}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          {change.error && <ErrorNotice error={change.error} />}
          <Group justify="end">
            <Button type="submit" loading={change.isPending}>
              <Trans>Rename</Trans>
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

import { Trans, useLingui } from "@lingui/react/macro";
import { ActionIcon, Menu } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconCopyPlus, IconDots, IconLock, IconMessage, IconShare, IconTrash } from "@tabler/icons-react";
import { Link, useNavigate } from "@tanstack/react-router";
import type { Run } from "../../api/client";
import { useMay } from "../../api/account";
import { useDeleteRun, useShareRun } from "../../api/runResults";
import { ConfirmByName } from "../../components/ConfirmByName";
import { ErrorNotice } from "../../components/ErrorNotice";
import { FINISHED } from "../../kit/status";

/** What can be done with the run as a whole: cloned, shared, asked, deleted. */
export function RunMenu({ run, mayChange }: { run: Run; mayChange: boolean }) {
  const { t } = useLingui();
  const navigate = useNavigate();
  const may = useMay();
  const share = useShareRun(run.id);
  const remove = useDeleteRun(run.id);
  const [isDeleting, deleting] = useDisclosure();
  if (!may("runs:write") && !may("models:use")) return null;
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="default" size={30} aria-label={t`More`}>
            <IconDots size={16} aria-hidden />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {may("runs:write") && (
            <Menu.Item
              leftSection={<IconCopyPlus size={16} aria-hidden />}
              renderRoot={(props) => <Link to="/new" search={{ from: run.id }} {...props} />}
            >
              <Trans>Clone and change</Trans>
            </Menu.Item>
          )}
          {may("models:use") && run.status === "succeeded" && run.output_dir && run.model_name && (
            <Menu.Item
              leftSection={<IconMessage size={16} aria-hidden />}
              renderRoot={(props) => <Link to="/playground" search={{ model: run.id }} {...props} />}
            >
              <Trans>Talk to its model</Trans>
            </Menu.Item>
          )}
          {mayChange && (
            <Menu.Item
              leftSection={run.shared ? <IconLock size={16} aria-hidden /> : <IconShare size={16} aria-hidden />}
              onClick={() => share.mutate(!run.shared)}
            >
              {run.shared ? <Trans>Share no longer</Trans> : <Trans>Share with everyone here</Trans>}
            </Menu.Item>
          )}
          {mayChange && FINISHED.has(run.status) && (
            <Menu.Item color="red" leftSection={<IconTrash size={16} aria-hidden />} onClick={deleting.open}>
              <Trans>Delete</Trans>
            </Menu.Item>
          )}
        </Menu.Dropdown>
      </Menu>
      {share.error && <ErrorNotice error={share.error} />}
      {isDeleting && (
        <ConfirmByName
          name={run.name ?? run.id}
          title={<Trans>Delete the run?</Trans>}
          error={remove.error}
          isBusy={remove.isPending}
          onClose={deleting.close}
          onConfirm={() => remove.mutate(undefined, { onSuccess: () => void navigate({ to: "/runs" }) })}
        >
          <Trans>Its curves, its log and its checkpoints are lost. Its model stays.</Trans>
        </ConfirmByName>
      )}
    </>
  );
}

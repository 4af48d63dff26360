import { Trans, useLingui } from "@lingui/react/macro";
import { Button, Group } from "@mantine/core";
import { IconBan, IconTrash } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useMayChange } from "../../api/account";
import { useCancelSweep, useDeleteSweep, type SweepDetails } from "../../api/sweeps";
import { ConfirmByName } from "../../components/ConfirmByName";
import { FINISHED } from "../../kit/status";

/** What can be asked of all runs together, by whom may. */
export function SweepActions({ sweep }: { sweep: SweepDetails }) {
  const { t } = useLingui();
  const mayChange = useMayChange("runs")(sweep.owner_id);
  const navigate = useNavigate();
  const cancel = useCancelSweep(sweep.id);
  const remove = useDeleteSweep(sweep.id);
  const [asked, setAsked] = useState<"cancel" | "delete">();
  if (!mayChange) return null;
  const isLive = sweep.runs.some(({ run }) => !FINISHED.has(run.status));
  const confirmed = () =>
    asked === "cancel"
      ? cancel.mutate(undefined, { onSuccess: () => setAsked(undefined) })
      : remove.mutate(undefined, { onSuccess: () => navigate({ to: "/sweeps" }) });
  return (
    <>
      <Group gap="xs">
        {isLive && (
          <Button
            color="red"
            variant="light"
            loading={cancel.isPending}
            leftSection={<IconBan size={16} aria-hidden />}
            onClick={() => setAsked("cancel")}
          >
            <Trans>Cancel all</Trans>
          </Button>
        )}
        <Button variant="default" leftSection={<IconTrash size={16} aria-hidden />} onClick={() => setAsked("delete")}>
          <Trans>Delete the sweep</Trans>
        </Button>
      </Group>
      {asked && (
        <ConfirmByName
          title={asked === "cancel" ? t`Cancel all runs that have not ended?` : t`Delete the sweep?`}
          name={sweep.name ?? sweep.id}
          action={asked === "cancel" ? t`Cancel all` : t`Delete the sweep`}
          error={asked === "cancel" ? cancel.error : remove.error}
          isBusy={cancel.isPending || remove.isPending}
          onClose={() => setAsked(undefined)}
          onConfirm={confirmed}
        >
          {asked === "cancel" ? (
            <Trans>Those that are under way end without a model.</Trans>
          ) : (
            <Trans>Its runs and their models stay.</Trans>
          )}
        </ConfirmByName>
      )}
    </>
  );
}

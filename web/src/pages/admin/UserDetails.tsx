import { Trans, useLingui } from "@lingui/react/macro";
import { Button, Group, PasswordInput, Stack, Switch, Title } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useState } from "react";
import { useChangeUser, useDeleteUser, type User } from "../../api/users";
import { ConfirmButton } from "../../components/ConfirmButton";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { ErrorNotice } from "../../components/ErrorNotice";
import { Keys } from "./Keys";
import { LevelSelect } from "./LevelSelect";

/** Levels, state, password and keys of a user. */
export function UserDetails({ user, mayWrite, onDone }: { user: User; mayWrite: boolean; onDone: () => void }) {
  const change = useChangeUser(user.id);
  const remove = useDeleteUser(user.id);
  const [levels, setLevels] = useState(user.levels);
  return (
    <Stack>
      {(change.error ?? remove.error) && <ErrorNotice error={change.error ?? remove.error} />}
      {mayWrite && (
        <>
          <Group align="end">
            <LevelSelect value={levels} onChange={setLevels} />
            <Button
              variant="default"
              disabled={levels.length === 0 || levels.join() === user.levels.join()}
              onClick={() => change.mutate({ levels })}
            >
              <Trans>Save the levels</Trans>
            </Button>
          </Group>
          <Activity user={user} onSet={(isActive) => change.mutate({ is_active: isActive })} />
          <PasswordReset user={user} onSet={(password) => change.mutate({ password })} isPending={change.isPending} />
        </>
      )}
      <Title order={3} fz="h5">
        <Trans>API keys</Trans>
      </Title>
      <Keys userId={user.id} mayRevoke={mayWrite} />
      {mayWrite && (
        <ConfirmButton
          w="fit-content"
          question={<Trans>Delete the user {user.username}?</Trans>}
          consequence={<Trans>Sessions, keys and secrets go. Runs and deployments stay, without an owner.</Trans>}
          onConfirm={() => remove.mutate(undefined, { onSuccess: onDone })}
        >
          <Trans>Delete the user</Trans>
        </ConfirmButton>
      )}
    </Stack>
  );
}

function Activity({ user, onSet }: { user: User; onSet: (isActive: boolean) => void }) {
  const { t } = useLingui();
  const [isAsking, asking] = useDisclosure();
  return (
    <>
      <Switch
        label={t`The account is active`}
        description={t`Switched off, its sessions end and its keys are revoked.`}
        checked={user.is_active}
        onChange={(event) => (event.currentTarget.checked ? onSet(true) : asking.open())}
      />
      <ConfirmDialog
        opened={isAsking}
        action={<Trans>Switch off</Trans>}
        question={<Trans>Switch off the account of {user.username}?</Trans>}
        consequence={<Trans>Its sessions end and its keys are revoked; switched on again, it needs new keys.</Trans>}
        onConfirm={() => onSet(false)}
        onClose={asking.close}
      />
    </>
  );
}

interface PasswordResetProps {
  user: User;
  onSet: (password: string) => void;
  isPending: boolean;
}

function PasswordReset({ user, onSet, isPending }: PasswordResetProps) {
  const { t } = useLingui();
  const [password, setPassword] = useState("");
  const [isAsking, asking] = useDisclosure();
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        asking.open();
      }}
    >
      <Group align="end">
        <PasswordInput
          label={t`New password`}
          description={t`The user's sessions end, and the keys are revoked.`}
          autoComplete="new-password"
          required
          w={320}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <Button type="submit" variant="default" loading={isPending}>
          <Trans>Reset the password</Trans>
        </Button>
      </Group>
      <ConfirmDialog
        opened={isAsking}
        action={<Trans>Reset the password</Trans>}
        question={<Trans>Reset the password of {user.username}?</Trans>}
        consequence={<Trans>The old password is void, the user's sessions end, and the keys are revoked.</Trans>}
        onConfirm={() => {
          onSet(password);
          setPassword("");
        }}
        onClose={asking.close}
      />
    </form>
  );
}

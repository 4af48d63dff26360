import { Trans, useLingui } from "@lingui/react/macro";
import { Button, Group, PasswordInput, Stack, Switch, Title } from "@mantine/core";
import { useState } from "react";
import { useChangeUser, useDeleteUser, type User } from "../../api/users";
import { ConfirmButton } from "../../components/ConfirmButton";
import { ErrorNotice } from "../../components/ErrorNotice";
import { Keys } from "./Keys";
import { LevelSelect } from "./LevelSelect";

/** Levels, state, password and keys of a user. */
export function UserDetails({ user, mayWrite, onDone }: { user: User; mayWrite: boolean; onDone: () => void }) {
  const { t } = useLingui();
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
          <Switch
            label={t`The account is active`}
            description={t`Switched off, its sessions end and its keys are revoked.`}
            checked={user.is_active}
            onChange={(event) => change.mutate({ is_active: event.currentTarget.checked })}
          />
          <PasswordReset onSet={(password) => change.mutate({ password })} isPending={change.isPending} />
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

function PasswordReset({ onSet, isPending }: { onSet: (password: string) => void; isPending: boolean }) {
  const { t } = useLingui();
  const [password, setPassword] = useState("");
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onSet(password);
        setPassword("");
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
    </form>
  );
}

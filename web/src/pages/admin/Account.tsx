import { Trans, useLingui } from "@lingui/react/macro";
import { Alert, Button, Card, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";
import { useMe } from "../../api/account";
import { useChangePassword } from "../../api/users";
import { ErrorNotice } from "../../components/ErrorNotice";
import { FirstAdministrator } from "../../components/FirstAdministrator";
import { NewKey } from "./NewKey";
import { Keys } from "./Keys";

/** Whoever looks: their password and their keys; on a server without accounts, the first administrator. */
export function Account() {
  const me = useMe();
  if (!me.data) return null;
  if (!me.data.user)
    return (
      <Card withBorder maw={420}>
        <Stack>
          <Text>
            <Trans>
              Whoever sits at this machine may do everything, and nobody else may do anything. With the first administrator,
              everybody needs an account.
            </Trans>
          </Text>
          <FirstAdministrator needsToken={false} />
        </Stack>
      </Card>
    );
  const { user, permissions, is_scoped: isScoped } = me.data;
  return (
    <Stack gap="xl">
      <Stack gap={4}>
        <Title order={2} fz="h4">
          {user.display_name ?? user.username}
        </Title>
        <Text fz="sm">
          {user.email} · {user.levels.join(", ")}
        </Text>
      </Stack>
      {!isScoped && user.has_password && <PasswordForm />}
      {permissions.includes("keys:self") && (
        <Stack>
          <Title order={2} fz="h4">
            <Trans>Your API keys</Trans>
          </Title>
          <NewKey permissions={permissions} />
          <Keys />
        </Stack>
      )}
    </Stack>
  );
}

function PasswordForm() {
  const { t } = useLingui();
  const change = useChangePassword();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        change.mutate(
          { current_password: current, new_password: next },
          { onSuccess: () => [setCurrent, setNext].forEach((set) => set("")) },
        );
      }}
    >
      <Stack maw={420}>
        <Title order={2} fz="h4">
          <Trans>Change your password</Trans>
        </Title>
        <PasswordInput
          label={t`Current password`}
          autoComplete="current-password"
          required
          value={current}
          onChange={(event) => setCurrent(event.currentTarget.value)}
        />
        <PasswordInput
          label={t`New password`}
          description={t`Your other sessions end.`}
          autoComplete="new-password"
          required
          value={next}
          onChange={(event) => setNext(event.currentTarget.value)}
        />
        {change.error && <ErrorNotice error={change.error} />}
        {change.isSuccess && (
          <Alert color="green" role="status">
            <Trans>The password is changed.</Trans>
          </Alert>
        )}
        <Button type="submit" loading={change.isPending} w="fit-content">
          <Trans>Change the password</Trans>
        </Button>
      </Stack>
    </form>
  );
}

import { Trans, useLingui } from "@lingui/react/macro";
import { Button, Center, Checkbox, Group, Paper, PasswordInput, Stack, TextInput, Title } from "@mantine/core";
import { useState } from "react";
import { useLogin, useSetup } from "../../api/account";
import { DisplayMenu } from "../../app/DisplayMenu";
import { ErrorNotice } from "../../components/ErrorNotice";
import { FirstAdministrator } from "../../components/FirstAdministrator";

/** Lets a user in; on a server without any, makes the first administrator. */
export function Login() {
  const setup = useSetup();
  return (
    <Center mih="100vh" p="md" component="main">
      <Paper withBorder p="lg" w={380} maw="100%">
        <Group justify="space-between" mb="md">
          <Title order={1} fz="h2">
            Finery
          </Title>
          <Group gap="xs">
            <DisplayMenu />
          </Group>
        </Group>
        {setup.data?.needs_setup ? <FirstAdministrator needsToken /> : <LoginForm />}
      </Paper>
    </Center>
  );
}

function LoginForm() {
  const { t } = useLingui();
  const login = useLogin();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [remember, setRemember] = useState(false);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        login.mutate({ login: name, password, remember });
      }}
    >
      <Stack>
        <TextInput
          label={t`User name or e-mail`}
          autoComplete="username"
          required
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <PasswordInput
          label={t`Password`}
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <Checkbox
          label={t`Stay logged in`}
          checked={remember}
          onChange={(event) => setRemember(event.currentTarget.checked)}
        />
        {login.error && <ErrorNotice error={login.error} />}
        <Button type="submit" loading={login.isPending}>
          <Trans>Log in</Trans>
        </Button>
      </Stack>
    </form>
  );
}

import { Trans, useLingui } from "@lingui/react/macro";
import { Button, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useSetUp } from "../api/account";
import { ErrorNotice } from "./ErrorNotice";

/** Makes the first administrator; over the network with the token that the server shows when it starts. */
export function FirstAdministrator({ needsToken }: { needsToken: boolean }) {
  const { t } = useLingui();
  const setUp = useSetUp();
  const [fields, setFields] = useState({ username: "", email: "", password: "", setup_token: "" });
  const bind = (name: keyof typeof fields) => ({
    required: true,
    value: fields[name],
    onChange: (event: React.ChangeEvent<HTMLInputElement>) => {
      const { value } = event.currentTarget;
      setFields((before) => ({ ...before, [name]: value }));
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const { setup_token: token, ...account } = fields;
        setUp.mutate(needsToken ? { ...account, setup_token: token } : account);
      }}
    >
      <Stack>
        <Text>
          <Trans>Nobody has an account here yet. Make the first administrator.</Trans>
        </Text>
        <TextInput label={t`User name`} autoComplete="username" {...bind("username")} />
        <TextInput label={t`E-mail`} type="email" autoComplete="email" {...bind("email")} />
        <PasswordInput label={t`Password`} autoComplete="new-password" {...bind("password")} />
        {needsToken && (
          <TextInput
            label={t`Set-up token`}
            description={t`The server shows it when it starts.`}
            autoComplete="off"
            {...bind("setup_token")}
          />
        )}
        {setUp.error && <ErrorNotice error={setUp.error} />}
        <Button type="submit" loading={setUp.isPending}>
          <Trans>Make the administrator</Trans>
        </Button>
      </Stack>
    </form>
  );
}

import { Trans, useLingui } from "@lingui/react/macro";
import { Button, Checkbox, PasswordInput, Stack, Table, Text, TextInput, VisuallyHidden } from "@mantine/core";
import { useState } from "react";
import { useMe } from "../../api/account";
import { useDeleteSecret, useSecrets, useSetSecret } from "../../api/secrets";
import { Age } from "../../components/Age";
import { ConfirmButton } from "../../components/ConfirmButton";
import { ErrorNotice } from "../../components/ErrorNotice";

/** Names of the secrets that one's runs may use. A value is never shown. */
export function Secrets() {
  const me = useMe();
  const secrets = useSecrets();
  const remove = useDeleteSecret();
  const mayAll = me.data?.permissions.includes("secrets:all") ?? false;
  return (
    <Stack>
      <Text fz="sm">
        <Trans>Runs get secrets as environment variables, where their configuration names them. A value is never shown again.</Trans>
      </Text>
      <NewSecret mayAll={mayAll} hasAccount={me.data?.user != null} />
      {(secrets.error ?? remove.error) && <ErrorNotice error={secrets.error ?? remove.error} />}
      {secrets.data?.length === 0 && (
        <Text fz="sm">
          <Trans>There is no secret.</Trans>
        </Text>
      )}
      {secrets.data && secrets.data.length > 0 && (
        <Table.ScrollContainer minWidth={480}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>
                  <Trans>Name</Trans>
                </Table.Th>
                <Table.Th>
                  <Trans>Whose</Trans>
                </Table.Th>
                <Table.Th>
                  <Trans>Changed</Trans>
                </Table.Th>
                <Table.Th>
                  <VisuallyHidden>
                    <Trans>Actions</Trans>
                  </VisuallyHidden>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {secrets.data.map((secret) => (
                <Table.Tr key={`${secret.owner_id ?? ""}/${secret.name}`}>
                  <Table.Td ff="monospace">{secret.name}</Table.Td>
                  <Table.Td>{secret.owner_id ? <Trans>yours</Trans> : <Trans>the server's</Trans>}</Table.Td>
                  <Table.Td>
                    <Age at={secret.updated_at} />
                  </Table.Td>
                  <Table.Td>
                    {(secret.owner_id || mayAll) && (
                      <ConfirmButton
                        question={<Trans>Delete the secret {secret.name}?</Trans>}
                        consequence={<Trans>Runs that need it cannot start any more.</Trans>}
                        onConfirm={() => remove.mutate({ name: secret.name, isServers: !secret.owner_id })}
                      >
                        <Trans>Delete</Trans>
                      </ConfirmButton>
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </Stack>
  );
}

function NewSecret({ mayAll, hasAccount }: { mayAll: boolean; hasAccount: boolean }) {
  const { t } = useLingui();
  const set = useSetSecret();
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const [isServers, setServers] = useState(false);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        set.mutate({ name, value, isServers }, { onSuccess: () => [setName, setValue].forEach((clear) => clear("")) });
      }}
    >
      <Stack maw={420}>
        <TextInput
          label={t`Name`}
          description={t`As a variable: HF_TOKEN.`}
          required
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <PasswordInput
          label={t`Value`}
          autoComplete="off"
          required
          value={value}
          onChange={(event) => setValue(event.currentTarget.value)}
        />
        {mayAll && hasAccount && (
          <Checkbox
            label={t`Everybody's runs may use it`}
            checked={isServers}
            onChange={(event) => setServers(event.currentTarget.checked)}
          />
        )}
        {set.error && <ErrorNotice error={set.error} />}
        <Button type="submit" loading={set.isPending} w="fit-content">
          <Trans>Store the secret</Trans>
        </Button>
      </Stack>
    </form>
  );
}

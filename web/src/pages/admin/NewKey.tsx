import { Trans, useLingui } from "@lingui/react/macro";
import { Button, MultiSelect, NumberInput, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { useCreateKey } from "../../api/users";
import { ErrorNotice } from "../../components/ErrorNotice";
import { ShownOnce } from "../../components/ShownOnce";

/** Makes an API key with all of one's permissions, or with some of them. */
export function NewKey({ permissions }: { permissions: string[] }) {
  const { t } = useLingui();
  const create = useCreateKey();
  const [name, setName] = useState("");
  const [days, setDays] = useState<number | string>("");
  const [scopes, setScopes] = useState<string[]>([]);
  if (create.data)
    return (
      <ShownOnce
        label={t`API key ${create.data.info.name}`}
        value={create.data.key}
        onDone={() => {
          create.reset();
          setName("");
        }}
      />
    );
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        create.mutate({
          name,
          expires_days: typeof days === "number" ? days : null,
          scoped_permissions: scopes.length > 0 ? scopes : null,
        });
      }}
    >
      <Stack maw={420}>
        <TextInput
          label={t`Name`}
          description={t`What the key is for.`}
          required
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <NumberInput
          label={t`Valid for days`}
          description={t`Empty: it does not expire.`}
          min={1}
          allowDecimal={false}
          value={days}
          onChange={setDays}
        />
        <MultiSelect
          label={t`Permissions`}
          description={t`None chosen: all that you have.`}
          data={permissions.filter((permission) => permission !== "public")}
          searchable
          clearable
          value={scopes}
          onChange={setScopes}
        />
        {create.error && <ErrorNotice error={create.error} />}
        <Button type="submit" loading={create.isPending} w="fit-content">
          <Trans>Make a key</Trans>
        </Button>
      </Stack>
    </form>
  );
}

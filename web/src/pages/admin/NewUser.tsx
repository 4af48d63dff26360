import { Trans, useLingui } from "@lingui/react/macro";
import { Button, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { useCreateUser } from "../../api/users";
import { ErrorNotice } from "../../components/ErrorNotice";
import { LevelSelect, type Level } from "./LevelSelect";

/** Makes an account. */
export function NewUser({ onDone }: { onDone: () => void }) {
  const { t } = useLingui();
  const create = useCreateUser();
  const [fields, setFields] = useState({ username: "", email: "", display_name: "", password: "" });
  const [levels, setLevels] = useState<Level[]>(["researcher"]);
  const bind = (name: keyof typeof fields) => ({
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
        const { display_name: shown, password, ...names } = fields;
        create.mutate({ ...names, levels, display_name: shown || null, password: password || null }, { onSuccess: onDone });
      }}
    >
      <Stack>
        <TextInput label={t`User name`} autoComplete="off" required {...bind("username")} />
        <TextInput label={t`E-mail`} type="email" autoComplete="off" required {...bind("email")} />
        <TextInput label={t`Name to show`} autoComplete="off" {...bind("display_name")} />
        <LevelSelect value={levels} onChange={setLevels} />
        <PasswordInput
          label={t`Password`}
          description={t`Without one the user cannot log in.`}
          autoComplete="new-password"
          {...bind("password")}
        />
        {create.error && <ErrorNotice error={create.error} />}
        <Button type="submit" loading={create.isPending}>
          <Trans>Make the user</Trans>
        </Button>
      </Stack>
    </form>
  );
}

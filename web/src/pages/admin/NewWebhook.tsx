import { Trans, useLingui } from "@lingui/react/macro";
import { Button, Checkbox, MultiSelect, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { EVENT_TYPES, useCreateWebhook } from "../../api/webhooks";
import { ErrorNotice } from "../../components/ErrorNotice";
import { ShownOnce } from "../../components/ShownOnce";

/** Makes a webhook, and shows its signing secret. */
export function NewWebhook({ mayAll, onDone }: { mayAll: boolean; onDone: () => void }) {
  const { t } = useLingui();
  const create = useCreateWebhook();
  const [url, setUrl] = useState("");
  const [types, setTypes] = useState(["run.succeeded", "run.failed", "run.cancelled"]);
  const [isAll, setAll] = useState(false);
  if (create.data) return <ShownOnce label={t`Signing secret`} value={create.data.secret} onDone={onDone} />;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        create.mutate({ url, event_types: types, scope: isAll ? "all" : "mine" });
      }}
    >
      <Stack>
        <TextInput
          label={t`Address`}
          type="url"
          placeholder="https://hooks.example.org/finery"
          required
          value={url}
          onChange={(event) => setUrl(event.currentTarget.value)}
        />
        <MultiSelect label={t`Events`} data={EVENT_TYPES} required value={types} onChange={setTypes} />
        {mayAll && (
          <Checkbox
            label={t`Of everyone's runs, and of the machine`}
            checked={isAll}
            onChange={(event) => setAll(event.currentTarget.checked)}
          />
        )}
        {create.error && <ErrorNotice error={create.error} />}
        <Button type="submit" loading={create.isPending}>
          <Trans>Make the webhook</Trans>
        </Button>
      </Stack>
    </form>
  );
}

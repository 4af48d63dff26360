import { Trans, useLingui } from "@lingui/react/macro";
import { Alert, Button, CopyButton, Group, Stack, Text, TextInput } from "@mantine/core";
import { IconKey } from "@tabler/icons-react";

/** A key or secret that is shown this once. */
export function ShownOnce({ label, value, onDone }: { label: string; value: string; onDone: () => void }) {
  const { t } = useLingui();
  return (
    <Alert color="yellow" icon={<IconKey aria-hidden />} title={t`Shown only this once`}>
      <Stack gap="xs">
        <Text fz="sm">
          <Trans>Keep it in a safe place now: the server cannot show it again.</Trans>
        </Text>
        <TextInput
          label={label}
          value={value}
          readOnly
          ff="monospace"
          onFocus={(event) => event.currentTarget.select()}
        />
        <Group>
          <CopyButton value={value}>
            {({ copied, copy }) => (
              <Button size="xs" variant="default" onClick={copy}>
                {copied ? <Trans>Copied</Trans> : <Trans>Copy</Trans>}
              </Button>
            )}
          </CopyButton>
          <Button size="xs" onClick={onDone}>
            <Trans>I have it</Trans>
          </Button>
        </Group>
      </Stack>
    </Alert>
  );
}

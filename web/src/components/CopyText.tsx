import { useLingui } from "@lingui/react/macro";
import { ActionIcon, Code, CopyButton, Group } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";

/** A text that is used elsewhere, with a button that copies it. */
export function CopyText({ text }: { text: string }) {
  const { t } = useLingui();
  return (
    <Group gap={4} wrap="nowrap" component="span" display="inline-flex">
      <Code style={{ overflowWrap: "anywhere" }}>{text}</Code>
      <CopyButton value={text}>
        {({ copied, copy }) => (
          <ActionIcon size="sm" variant="subtle" onClick={copy} aria-label={copied ? t`Copied` : t`Copy`}>
            {copied ? <IconCheck size={14} aria-hidden /> : <IconCopy size={14} aria-hidden />}
          </ActionIcon>
        )}
      </CopyButton>
    </Group>
  );
}

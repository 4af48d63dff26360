import { Trans, useLingui } from "@lingui/react/macro";
import { ActionIcon, Box, Code, CopyButton, Loader, Text } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { lazy, Suspense } from "react";
import type { YamlEditorProps } from "./YamlEditor";

const YamlEditor = lazy(() => import("./YamlEditor"));

/** The settings as YAML, which is what `finery train --config` takes; edited here, they change in the form. */
export function YamlPanel(props: YamlEditorProps) {
  return (
    <Suspense fallback={<Loader size="sm" />}>
      <YamlEditor {...props} />
      <Text fz="xs" mt={4}>
        <Trans>
          Saved to a file, it starts the same with <Code>finery train RECIPE --config FILE</Code>.
        </Trans>
      </Text>
    </Suspense>
  );
}

/** A program text that does the same, to be copied. */
export function CodePanel({ text, label }: { text: string; label: string }) {
  const { t } = useLingui();
  return (
    <Box pos="relative">
      <Code block aria-label={label} style={{ overflowX: "auto" }} tabIndex={0} pr={44}>
        {text}
      </Code>
      <CopyButton value={text}>
        {({ copied, copy }) => (
          <ActionIcon
            pos="absolute"
            top={6}
            right={6}
            variant="default"
            onClick={copy}
            aria-label={copied ? t`Copied` : t`Copy`}
          >
            {copied ? <IconCheck size={16} aria-hidden /> : <IconCopy size={16} aria-hidden />}
          </ActionIcon>
        )}
      </CopyButton>
    </Box>
  );
}

import { Trans, useLingui } from "@lingui/react/macro";
import { Button, Code, CopyButton, Modal, ScrollArea, Stack, Tabs, Text } from "@mantine/core";
import { useMe } from "../../api/account";
import { asCurl, asPython } from "../../kit/chatCode";

/** The conversation's next request as a program would send it. No key is in it. */
export function CodeDialog({ body, onClose }: { body: Record<string, unknown>; onClose: () => void }) {
  const { t } = useLingui();
  const needsKey = useMe().data?.user != null;
  const origin = window.location.origin;
  const texts = { curl: asCurl(origin, body, needsKey), Python: asPython(origin, body, needsKey) };
  return (
    <Modal
      opened
      size="xl"
      onClose={onClose}
      title={<Trans>As code</Trans>}
      closeButtonProps={{ "aria-label": t`Close` }}
    >
      <Tabs defaultValue="curl">
        <Tabs.List mb="sm">
          {Object.keys(texts).map((name) => (
            <Tabs.Tab key={name} value={name}>
              {name}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {Object.entries(texts).map(([name, text]) => (
          <Tabs.Panel key={name} value={name}>
            <Stack align="start">
              {needsKey && (
                <Text fz="sm">
                  <Trans>Put an API key of yours into the environment variable FINERY_API_KEY.</Trans>
                </Text>
              )}
              <ScrollArea.Autosize mah="50vh" w="100%" viewportProps={{ tabIndex: 0 }}>
                <Code block>{text}</Code>
              </ScrollArea.Autosize>
              <CopyButton value={text}>
                {({ copied, copy }) => (
                  <Button variant="default" onClick={copy}>
                    {copied ? <Trans>Copied</Trans> : <Trans>Copy</Trans>}
                  </Button>
                )}
              </CopyButton>
            </Stack>
          </Tabs.Panel>
        ))}
      </Tabs>
    </Modal>
  );
}

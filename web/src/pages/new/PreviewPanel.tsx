import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { Alert, Code, Group, List, Loader, Stack, Table, Text, Title } from "@mantine/core";
import { IconAlertTriangle, IconCheck } from "@tabler/icons-react";
import type { RunPreview } from "../../api/submissions";
import { textOfValue } from "../../kit/settings";
import { MemoryBar } from "./MemoryBar";
import { WaitText } from "./WaitText";

const NAMES_SHOWN = 12;

interface PreviewPanelProps {
  preview: RunPreview | undefined;
  isStale: boolean;
  /** What is wrong and stands at no field. */
  elsewhere: string[];
  /** Whether what is missing counts as wrong: not before somebody wanted to start. */
  isComplete: boolean;
}

/** What would come of it: what refuses it, what the server chooses, the memory, the wait; of a sweep, its runs. */
export function PreviewPanel({ preview, isStale, elsewhere, isComplete }: PreviewPanelProps) {
  if (preview === undefined) return isComplete ? <Loader size="sm" /> : <Incomplete />;
  const { ok, warnings, choices, memory, wait } = preview;
  return (
    <Stack gap="sm" aria-busy={isStale} aria-live="polite" opacity={isStale ? 0.6 : 1}>
      <Verdict preview={preview} isComplete={isComplete} />
      {elsewhere.map((message) => (
        <Alert key={message} color="red" p="xs" icon={<IconAlertTriangle aria-hidden />}>
          {message}
        </Alert>
      ))}
      {warnings.map((warning) => (
        <Alert key={warning.code} color="yellow" p="xs" icon={<IconAlertTriangle aria-hidden />}>
          {warning.message}
        </Alert>
      ))}
      {wait && ok && <WaitText wait={wait} />}
      {memory && <MemoryBar memory={memory} />}
      {choices.length > 0 && <Choices preview={preview} />}
      {preview.names.length > 0 && <Names preview={preview} />}
    </Stack>
  );
}

function Verdict({ preview, isComplete }: { preview: RunPreview; isComplete: boolean }) {
  if (!isComplete) return <Incomplete />;
  if (!preview.ok)
    return (
      <Text fw={600} c="red">
        <IconAlertTriangle size={16} aria-hidden /> <Trans>As it stands, the server would refuse it.</Trans>
      </Text>
    );
  return (
    <Text fw={600}>
      <IconCheck size={16} aria-hidden />{" "}
      <Plural value={preview.run_count} one="It can start." other="These are # runs; all can start." />
    </Text>
  );
}

function Incomplete() {
  return (
    <Text>
      <Trans>Choose a model and data; what would come of it is shown here.</Trans>
    </Text>
  );
}

function Choices({ preview }: { preview: RunPreview }) {
  return (
    <div>
      <Title order={2} fz="md">
        <Trans>What the server chooses</Trans>
      </Title>
      <Table.ScrollContainer minWidth={300}>
        <Table>
          <Table.Tbody>
            {preview.choices.map(({ setting, value, reason }) => (
              <Table.Tr key={setting}>
                <Table.Th scope="row">
                  <Code>{setting}</Code>
                </Table.Th>
                <Table.Td>{textOfValue(value).slice(0, 60)}</Table.Td>
                <Table.Td>{reason}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </div>
  );
}

function Names({ preview }: { preview: RunPreview }) {
  const { i18n } = useLingui();
  const { names, checked_count: checked, run_count: count } = preview;
  const more = names.length - NAMES_SHOWN;
  return (
    <div>
      <Group gap="xs" align="baseline">
        <Title order={2} fz="md">
          <Trans>The runs</Trans>
        </Title>
        {checked < count && (
          <Text fz="sm">
            <Trans>
              {i18n.number(checked)} of {i18n.number(count)} looked at
            </Trans>
          </Text>
        )}
      </Group>
      <List size="sm">
        {names.slice(0, NAMES_SHOWN).map((name) => (
          <List.Item key={name} style={{ overflowWrap: "anywhere" }}>
            {name}
          </List.Item>
        ))}
      </List>
      {more > 0 && (
        <Text fz="sm">
          <Plural value={more} one="and # more" other="and # more" />
        </Text>
      )}
    </div>
  );
}

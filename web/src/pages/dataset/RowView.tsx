import { Trans } from "@lingui/react/macro";
import { Badge, Group, Stack, Text, UnstyledButton } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import type { PreviewRow } from "../../api/datasets";
import { readRow } from "../../kit/rows";

const SHORT = 3;
/** A longer row can be opened. */
const LONG_CHARACTERS = 240;

/** A row as a person reads it; one that cannot be read says why. */
export function RowView({ number, row }: { number: number; row: PreviewRow | undefined }) {
  const [isOpen, { toggle }] = useDisclosure();
  if (row === undefined)
    return (
      <Text fz="sm" h={100}>
        {number} …
      </Text>
    );
  const head = (
    <Text fz="xs" ff="monospace">
      <Trans>
        row {row.number}, line {row.line}
      </Trans>
    </Text>
  );
  if (row.value === null)
    return (
      <Stack gap={4}>
        {head}
        <Text fz="sm">
          <Badge color="red" variant="light" tt="none" mr="xs">
            <Trans>cannot be read</Trans>
          </Badge>
          {row.problem}
        </Text>
      </Stack>
    );
  const { turns, fields } = readRow(row.value as Record<string, unknown>);
  const parts = [...turns.map(({ role, text }): [string, string] => [role, text]), ...fields];
  const isLong = parts.length > SHORT || parts.some(([, text]) => text.length > LONG_CHARACTERS || text.split("\n").length > SHORT);
  return (
    <Stack gap={4}>
      <Group justify="space-between">
        {head}
        {isLong && (
          <UnstyledButton fz="sm" c="var(--mantine-color-anchor)" onClick={toggle} aria-expanded={isOpen}>
            {isOpen ? <Trans>Show less</Trans> : <Trans>Show all of it</Trans>}
          </UnstyledButton>
        )}
      </Group>
      {(isOpen ? parts : parts.slice(0, SHORT)).map(([name, text], place) => (
        <div key={place}>
          <Badge variant="default" tt="none" size="sm">
            {name}
          </Badge>
          <Text
            fz="sm"
            style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}
            {...(isOpen ? {} : { lineClamp: SHORT })}
          >
            {text}
          </Text>
        </div>
      ))}
    </Stack>
  );
}

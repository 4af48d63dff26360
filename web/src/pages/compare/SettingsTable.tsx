import { Trans, useLingui } from "@lingui/react/macro";
import { Code, Group, Stack, Switch, Table, Text, Title } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { ComparedRun } from "../../api/comparedRuns";
import { allKeys, differingKeys, textOfValue } from "../../kit/comparison";
import { RunHeads } from "./RunHeads";

/** The settings that differ, or all of them. */
export function SettingsTable({ compared }: { compared: ComparedRun[] }) {
  const { t } = useLingui();
  const { settings } = useSearch({ from: "/compare" });
  const navigate = useNavigate({ from: "/compare" });
  const configs = compared.map(({ run }) => ({ recipe: run.recipe, ...run.config }) as Record<string, unknown>);
  const differing = new Set(differingKeys(configs));
  const keys = settings === "all" ? allKeys(configs) : [...differing];
  return (
    <Stack gap="xs" component="section">
      <Group justify="space-between">
        <Title order={2} fz="h4">
          <Trans>Settings</Trans>
        </Title>
        <Switch
          label={t`Also those that are the same in all`}
          checked={settings === "all"}
          onChange={(event) => {
            const isAll = event.currentTarget.checked;
            void navigate({
              replace: true,
              search: ({ settings: _, ...rest }) => (isAll ? { ...rest, settings: "all" } : rest),
            });
          }}
        />
      </Group>
      {keys.length === 0 && (
        <Text>
          <Trans>Their settings are the same.</Trans>
        </Text>
      )}
      {keys.length > 0 && (
        <Table.ScrollContainer minWidth={200 + 140 * compared.length}>
          <Table>
            <RunHeads compared={compared} first={<Trans>Setting</Trans>} />
            <Table.Tbody>
              {keys.map((key) => (
                <Table.Tr key={key}>
                  <Table.Th scope="row">
                    <Code {...(differing.has(key) ? { fw: 700 } : {})}>{key}</Code>
                  </Table.Th>
                  {configs.map((config, place) => (
                    <Table.Td key={compared[place]?.run.uid} style={{ overflowWrap: "anywhere" }}>
                      {textOfValue(config[key])}
                    </Table.Td>
                  ))}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </Stack>
  );
}

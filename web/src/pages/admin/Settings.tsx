import { Trans } from "@lingui/react/macro";
import { Badge, Stack, Table, Text } from "@mantine/core";
import { useSettings } from "../../api/server";
import { ErrorNotice } from "../../components/ErrorNotice";

/** The settings in force. They are environment variables, read at the start. */
export function Settings() {
  const settings = useSettings();
  return (
    <Stack>
      <Text fz="sm">
        <Trans>They are environment variables of the server, which it reads when it starts. Passwords are left out.</Trans>
      </Text>
      {settings.error && <ErrorNotice error={settings.error} onRetry={settings.refetch} />}
      <Table.ScrollContainer minWidth={640}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>
                <Trans>Variable</Trans>
              </Table.Th>
              <Table.Th>
                <Trans>Value</Trans>
              </Table.Th>
              <Table.Th>
                <Trans>Meaning</Trans>
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {settings.data?.map((setting) => (
              <Table.Tr key={setting.variable}>
                <Table.Td ff="monospace">{setting.variable}</Table.Td>
                <Table.Td style={{ overflowWrap: "anywhere" }}>
                  {setting.value || "—"}{" "}
                  {!setting.is_default && (
                    <Badge variant="light" tt="none" miw="max-content">
                      <Trans>set</Trans>
                    </Badge>
                  )}
                </Table.Td>
                <Table.Td lang="en">{setting.description}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Stack>
  );
}

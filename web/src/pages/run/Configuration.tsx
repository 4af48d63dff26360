import { Trans } from "@lingui/react/macro";
import { Badge, Code, Table } from "@mantine/core";
import type { Run } from "../../api/client";

/** The configuration as it was accepted, with what the server chose marked. */
export function Configuration({ run }: { run: Run }) {
  return (
    <Table.ScrollContainer minWidth={360}>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>
              <Trans>Setting</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Value</Trans>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {Object.entries(run.config).map(([key, value]) => (
            <Table.Tr key={key}>
              <Table.Td>
                <Code>{key}</Code>
              </Table.Td>
              <Table.Td style={{ overflowWrap: "anywhere" }}>
                {typeof value === "string" ? value : JSON.stringify(value)}{" "}
                {run.requested[key] === "auto" && (
                  <Badge size="sm" variant="light" tt="none" miw="max-content">
                    <Trans>chosen by auto</Trans>
                  </Badge>
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

import { Trans, useLingui } from "@lingui/react/macro";
import { Code, Table, Text } from "@mantine/core";
import type { RunEvent } from "../../api/client";
import { instantOf } from "../../kit/time";

/** What happened to the run, newest first; its steps are in the curves. */
export function EventList({ events }: { events: RunEvent[] }) {
  const { i18n } = useLingui();
  return (
    <Table.ScrollContainer minWidth={480}>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>
              <Trans>Time</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Event</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Details</Trans>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {[...events].reverse().map((event) => (
            <Table.Tr key={event.sequence}>
              <Table.Td style={{ whiteSpace: "nowrap" }}>
                {instantOf(new Date(event.at * 1000).toISOString(), i18n.locale)}
              </Table.Td>
              <Table.Td>{event.type}</Table.Td>
              <Table.Td>
                <Details data={event.data as Record<string, unknown>} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Details({ data }: { data: Record<string, unknown> }) {
  if (typeof data["message"] === "string") return <Text fz="sm">{data["message"]}</Text>;
  if (typeof data["to"] === "string") return <Text fz="sm">{`${String(data["from"] ?? "")} → ${data["to"]}`}</Text>;
  const told = Object.entries(data).filter(([, value]) => value !== null);
  return (
    <Code style={{ overflowWrap: "anywhere" }}>
      {told.map(([key, value]) => `${key}=${typeof value === "object" ? JSON.stringify(value) : String(value)}`).join(" ")}
    </Code>
  );
}

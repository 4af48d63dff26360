import { Trans } from "@lingui/react/macro";
import { Anchor, Badge, Code, Progress, Table, Text } from "@mantine/core";
import { IconTrophy } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useLingui } from "@lingui/react/macro";
import type { SweepDetails, SweepRun } from "../../api/sweeps";
import { StatusBadge } from "../../components/StatusBadge";
import { shortNumber } from "../../kit/numbers";
import { textOfValue } from "../../kit/settings";
import { ranked } from "./metrics";

/** The runs with what differs, best first once there are values. */
export function SweepTable({ sweep }: { sweep: SweepDetails }) {
  const fields = Object.keys(sweep.grid);
  return (
    <Table.ScrollContainer minWidth={520}>
      <Table highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>
              <Trans>Run</Trans>
            </Table.Th>
            {fields.map((field) => (
              <Table.Th key={field}>
                <Code>{field}</Code>
              </Table.Th>
            ))}
            <Table.Th>{sweep.ranked_by}</Table.Th>
            <Table.Th>
              <Trans>State</Trans>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {ranked(sweep).map((each) => (
            <Row key={each.run.uid} each={each} fields={fields} />
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Row({ each, fields }: { each: SweepRun; fields: readonly string[] }) {
  const { t } = useLingui();
  const { run, values, score } = each;
  return (
    <Table.Tr>
      <Table.Td>
        <Anchor component={Link} to={`/runs/${run.uid}`}>
          {run.name ?? run.id}
        </Anchor>{" "}
        {each.is_best && (
          <Badge color="green" tt="none" leftSection={<IconTrophy size={12} aria-hidden />}>
            <Trans>best</Trans>
          </Badge>
        )}
        {run.error && (
          <Text fz="xs" lineClamp={2}>
            {run.error}
          </Text>
        )}
      </Table.Td>
      {fields.map((field) => (
        <Table.Td key={field}>{textOfValue(values[field])}</Table.Td>
      ))}
      <Table.Td>{score === null ? "—" : shortNumber(score)}</Table.Td>
      <Table.Td miw={120}>
        <StatusBadge status={run.status} />
        {run.status === "running" && (
          <Progress mt={4} size="sm" value={run.progress.fraction * 100} aria-label={t`Progress`} />
        )}
      </Table.Td>
    </Table.Tr>
  );
}

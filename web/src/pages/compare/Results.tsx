import { Trans } from "@lingui/react/macro";
import { Stack, Table, Title } from "@mantine/core";
import type { ComparedRun } from "../../api/comparedRuns";
import { Age } from "../../components/Age";
import { StatusBadge } from "../../components/StatusBadge";
import { shortNumber } from "../../kit/numbers";
import { spanOf } from "../../kit/time";
import { metricsOf, seriesOf } from "./lines";
import { RunHeads } from "./RunHeads";

/** How each run stands or ended, and the last value of every metric. */
export function Results({ compared }: { compared: ComparedRun[] }) {
  return (
    <Stack gap="xs" component="section">
      <Title order={2} fz="h4">
        <Trans>Results</Trans>
      </Title>
      <Table.ScrollContainer minWidth={160 + 140 * compared.length}>
        <Table>
          <RunHeads compared={compared} first={<Trans>Result</Trans>} />
          <Table.Tbody>
            <Row label={<Trans>State</Trans>} compared={compared} cell={({ run }) => <StatusBadge status={run.status} />} />
            <Row label={<Trans>Step</Trans>} compared={compared} cell={({ run }) => run.progress.step ?? "—"} />
            <Row label={<Trans>Duration</Trans>} compared={compared} cell={durationOf} />
            <Row label={<Trans>Created</Trans>} compared={compared} cell={({ run }) => <Age at={run.created_at} />} />
            {metricsOf(compared).map((name) => (
              <Row key={name} label={<code>{name}</code>} compared={compared} cell={(one) => lastOf(one, name)} />
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Stack>
  );
}

interface RowProps {
  label: React.ReactNode;
  compared: ComparedRun[];
  cell: (one: ComparedRun) => React.ReactNode;
}

function Row({ label, compared, cell }: RowProps) {
  return (
    <Table.Tr>
      <Table.Th scope="row">{label}</Table.Th>
      {compared.map((one) => (
        <Table.Td key={one.run.uid}>{cell(one)}</Table.Td>
      ))}
    </Table.Tr>
  );
}

function durationOf({ run }: ComparedRun): string {
  if (!run.started_at || !run.finished_at) return "—";
  return spanOf((Date.parse(run.finished_at) - Date.parse(run.started_at)) / 1000);
}

function lastOf(one: ComparedRun, name: string): string {
  const value = seriesOf(one, name)?.values.findLast((told) => told !== null);
  return value == null ? "—" : shortNumber(value);
}

import { Trans, useLingui } from "@lingui/react/macro";
import { Anchor, Table, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { Schemas } from "../../api/client";

type DatasetCheck = Schemas["DatasetCheck"];

/** The lines with a fault, each with its reason and the way to it; then what is odd, and the lengths in tokens. */
export function Findings({ check }: { check: DatasetCheck }) {
  const { i18n } = useLingui();
  const measured = check.measurement?.is_measured ? check.measurement : null;
  return (
    <>
      {check.issues.length > 0 && (
        <>
          <Title order={2} fz="h4">
            <Trans>Rows with a fault: {i18n.number(check.invalid)}</Trans>
          </Title>
          <Table.ScrollContainer minWidth={480}>
            <Table>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th style={{ whiteSpace: "nowrap" }}>
                    <Trans>Line</Trans>
                  </Table.Th>
                  <Table.Th>
                    <Trans>Field</Trans>
                  </Table.Th>
                  <Table.Th>
                    <Trans>Reason</Trans>
                  </Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {check.issues.map((issue, place) => (
                  <Table.Tr key={place}>
                    <Table.Td>
                      <RowLink row={issue.row}>{issue.line}</RowLink>
                    </Table.Td>
                    <Table.Td>{issue.field || "—"}</Table.Td>
                    <Table.Td style={{ overflowWrap: "anywhere" }}>{issue.reason}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        </>
      )}
      {[...check.warnings, ...(measured?.warnings ?? [])].map((warning) => (
        <Text key={warning.kind} style={{ overflowWrap: "anywhere" }}>
          {warning.message} ({i18n.number(warning.count)}){" "}
          {warning.places.map((place) => (
            <span key={place.row}>
              <RowLink row={place.row}>{place.line}</RowLink>{" "}
            </span>
          ))}
        </Text>
      ))}
      {measured && (
        <Text>
          <Trans>
            In tokens of {measured.model}: median {i18n.number(measured.lengths.p50)}, 95 % below{" "}
            {i18n.number(measured.lengths.p95)}, most {i18n.number(measured.lengths.max)};{" "}
            rows longer than {i18n.number(measured.max_length)}: {i18n.number(measured.truncated)}.
          </Trans>
        </Text>
      )}
      {check.measurement && !check.measurement.is_measured && <Text>{check.measurement.reason}</Text>}
    </>
  );
}

function RowLink({ row, children }: { row: number; children: React.ReactNode }) {
  return (
    <Anchor
      component={Link}
      from="/datasets/$datasetId"
      to="/datasets/$datasetId"
      search={((before: object) => ({ ...before, tab: "rows", row })) as never}
    >
      {children}
    </Anchor>
  );
}

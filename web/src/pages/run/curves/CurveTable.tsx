import { Trans } from "@lingui/react/macro";
import { Code, Table } from "@mantine/core";
import type { RunCurves } from "../../../api/runCurves";
import { shortNumber } from "../../../kit/numbers";
import type { Series } from "../../../kit/series";

/** Each metric in numbers: where it began, its extremes with their steps, and where it is. */
export function CurveTable({ curves }: { curves: RunCurves }) {
  return (
    <Table.ScrollContainer minWidth={640}>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>
              <Trans>Metric</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>First (step)</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Least (step)</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Greatest (step)</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Last (step)</Trans>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {[...curves.series].map(([name, series]) => (
            <Table.Tr key={name}>
              <Table.Td>
                <Code>{name}</Code>
              </Table.Td>
              {extremes(series).map((text, place) => (
                <Table.Td key={place}>{text}</Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function extremes(series: Series): string[] {
  const [steps, values] = [series.column("step"), series.column("value")];
  const last = values.length - 1;
  let [low, high] = [0, 0];
  values.forEach((value, place) => {
    if (value < (values[low] as number) || Number.isNaN(values[low])) low = place;
    if (value > (values[high] as number) || Number.isNaN(values[high])) high = place;
  });
  return [0, low, high, last].map((place) => {
    const value = values[place];
    return value === undefined ? "–" : `${Number.isNaN(value) ? "NaN" : shortNumber(value)} (${steps[place]})`;
  });
}

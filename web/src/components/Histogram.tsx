import { Trans, useLingui } from "@lingui/react/macro";
import { Anchor, Group, ScrollArea, Table, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import classes from "./Histogram.module.css";

export interface Bucket {
  least: number;
  most: number;
  count: number;
}

/** How many rows have which length, as a picture and, on request, as a table. */
export function Histogram({ label, buckets }: { label: string; buckets: Bucket[] }) {
  const { t, i18n } = useLingui();
  const [isTable, { toggle }] = useDisclosure();
  const most = Math.max(1, ...buckets.map(({ count }) => count));
  const range = ({ least, most: end }: Bucket) =>
    least === end ? i18n.number(least) : `${i18n.number(least)}–${i18n.number(end)}`;
  return (
    <div>
      {isTable ? (
        <ScrollArea h={180} viewportProps={{ tabIndex: 0 }}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{label}</Table.Th>
                <Table.Th>
                  <Trans>Rows</Trans>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {buckets.map((bucket) => (
                <Table.Tr key={bucket.least}>
                  <Table.Td>{range(bucket)}</Table.Td>
                  <Table.Td>{i18n.number(bucket.count)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </ScrollArea>
      ) : (
        <>
          <div className={classes["picture"]} role="img" aria-label={t`${label}: number of rows by length`}>
            {buckets.map((bucket) => (
              <div
                key={bucket.least}
                className={classes["bar"]}
                title={`${range(bucket)}: ${i18n.number(bucket.count)}`}
                style={{ height: `${Math.max(bucket.count > 0 ? 2 : 0, (100 * bucket.count) / most)}%` }}
              />
            ))}
          </div>
          <Group justify="space-between">
            <Text fz="xs">{i18n.number(buckets[0]?.least ?? 0)}</Text>
            <Text fz="xs">{i18n.number(buckets.at(-1)?.most ?? 0)}</Text>
          </Group>
        </>
      )}
      <Anchor component="button" type="button" fz="sm" onClick={toggle}>
        {isTable ? <Trans>Show as a picture</Trans> : <Trans>Show as a table</Trans>}
      </Anchor>
    </div>
  );
}

import { Trans } from "@lingui/react/macro";
import { Anchor, Card, Group, Loader, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { Link, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { useComparedRuns } from "../../api/comparedRuns";
import { ComparedCurve } from "../../components/ComparedCurve";
import { ErrorNotice } from "../../components/ErrorNotice";
import { Controls } from "./Controls";
import { Legend } from "./Legend";
import { linesOf, metricsOf, ownersOf } from "./lines";
import { Results } from "./Results";
import { SettingsTable } from "./SettingsTable";

/** Two to twenty runs side by side: curves on shared axes, results, and what differs in their settings. */
export function Compare() {
  const { run: ids, x = "step", smoothing = 0, group } = useSearch({ from: "/compare" });
  const { compared, isPending, error } = useComparedRuns(ids);
  const owners = useMemo(() => ownersOf(compared, group), [compared, group]);
  const charts = useMemo(
    () => metricsOf(compared).map((name) => ({ name, lines: linesOf(owners, name, { x, smoothing, group }) })),
    [compared, owners, x, smoothing, group],
  );
  return (
    <Stack>
      <Group justify="space-between">
        <Title order={1}>
          <Trans>Compare runs</Trans>
        </Title>
        <Anchor renderRoot={(props) => <Link to="/runs" search={{ selected: ids }} {...props} />}>
          <Trans>Choose other runs</Trans>
        </Anchor>
      </Group>
      {error && <ErrorNotice error={error} />}
      {isPending && <Loader />}
      {ids.length < 2 && (
        <Text>
          <Trans>Select two to twenty runs in the list, then Compare.</Trans>
        </Text>
      )}
      {compared.length > 0 && (
        <>
          <Controls compared={compared} />
          <Legend owners={owners} isGrouped={group !== undefined} />
          {charts.length === 0 && (
            <Text>
              <Trans>None of them has told a step yet.</Trans>
            </Text>
          )}
          <SimpleGrid cols={{ base: 1, lg: 2 }}>
            {charts.map(({ name, lines }) => (
              <Card key={name} withBorder padding="sm">
                <Title order={2} fz="sm" ff="monospace">
                  {name}
                </Title>
                <ComparedCurve label={name} lines={lines} x={x} />
              </Card>
            ))}
          </SimpleGrid>
          <Results compared={compared} />
          <SettingsTable compared={compared} />
        </>
      )}
    </Stack>
  );
}

import { Trans, useLingui } from "@lingui/react/macro";
import { Card, SimpleGrid, Slider, Stack, Text, Title } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { Curve } from "../../components/Curve";
import { columnOf, metricNames, type Point } from "../../kit/curves";

/** All metrics of a run, each by step, with their cross-hairs together. */
export function Curves({ points }: { points: Point[] }) {
  const { t } = useLingui();
  const { smoothing = 0 } = useSearch({ from: "/runs/$runId" });
  const navigate = useNavigate({ from: "/runs/$runId" });
  const columns = useMemo(
    () => metricNames(points).map((name) => [name, ...columnOf(points, name)] as const),
    [points],
  );
  if (columns.length === 0)
    return (
      <Text>
        <Trans>No step has been told yet.</Trans>
      </Text>
    );
  return (
    <Stack>
      <Stack gap={2} maw={320}>
        <Text fz="sm" component="label" id="smoothing">
          <Trans>Smoothing</Trans>
        </Text>
        <Slider
          aria-labelledby="smoothing"
          thumbLabel={t`Smoothing`}
          min={0}
          max={0.99}
          step={0.01}
          value={smoothing}
          onChange={(value) =>
            navigate({
              replace: true,
              search: ({ smoothing: _, ...rest }) => (value > 0 ? { ...rest, smoothing: value } : rest),
            })
          }
        />
      </Stack>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        {columns.map(([name, steps, values]) => (
          <Card key={name} withBorder padding="sm">
            <Title order={2} fz="sm" ff="monospace">
              {name}
            </Title>
            <Curve label={name} steps={steps} values={values} smoothing={smoothing} />
          </Card>
        ))}
      </SimpleGrid>
    </Stack>
  );
}

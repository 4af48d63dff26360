import { Trans } from "@lingui/react/macro";
import { SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { useCurvesBetween } from "../../../api/runHistory";
import type { RunCurves } from "../../../api/runCurves";
import { ErrorNotice } from "../../../components/ErrorNotice";
import { grouped } from "../../../kit/metricGroups";
import { CurveCard } from "./CurveCard";
import { CurveControls } from "./CurveControls";
import { CurveTable } from "./CurveTable";
import { useCurveSearch } from "./useCurveSearch";

/** All metrics of a run in groups, with their cross-hairs together; a range of steps is read anew. */
export function Curves({ runId, curves }: { runId: string; curves: RunCurves }) {
  const { range, isTable } = useCurveSearch();
  const between = useCurvesBetween(runId, range);
  const shown = range ? (between.data ?? curves) : curves;
  if (curves.series.size === 0)
    return (
      <Text>
        <Trans>No step has been told yet.</Trans>
      </Text>
    );
  return (
    <Stack>
      <CurveControls runId={runId} curves={shown} />
      {between.error && <ErrorNotice error={between.error} onRetry={between.refetch} />}
      {isTable && <CurveTable curves={shown} />}
      {!isTable &&
        grouped([...curves.series.keys()]).map(([group, names]) => (
          <Stack key={group} gap="xs" component="section">
            <Title order={2} fz="h4">
              <GroupName group={group} />
            </Title>
            <SimpleGrid cols={{ base: 1, md: 2, xl: 3 }}>
              {names.map((name) => (
                <CurveCard key={name} name={name} curves={shown} />
              ))}
            </SimpleGrid>
          </Stack>
        ))}
    </Stack>
  );
}

function GroupName({ group }: { group: string }) {
  if (group === "train") return <Trans>Training</Trans>;
  if (group === "eval") return <Trans>Evaluation</Trans>;
  if (group === "pace") return <Trans>Pace and memory</Trans>;
  return <>{group}</>;
}

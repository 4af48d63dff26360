import { Trans, useLingui } from "@lingui/react/macro";
import { Button, Code, Group, Loader, Select, Stack, Text, Title } from "@mantine/core";
import { IconChartLine } from "@tabler/icons-react";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useSweep, type Goal, type SweepDetails } from "../../api/sweeps";
import { Age } from "../../components/Age";
import { ErrorNotice } from "../../components/ErrorNotice";
import { StatusCounts } from "../../components/StatusCounts";
import { shortNumber } from "../../kit/numbers";
import { metricsOf, ranked } from "./metrics";
import { SweepActions } from "./SweepActions";
import { SweepTable } from "./SweepTable";

const MOST_COMPARED = 20;

/** A sweep: its runs with what differs and the metric's value of each; the best is marked. */
export function SweepPage() {
  const { sweepId } = useParams({ from: "/sweeps/$sweepId" });
  const ranking = useSearch({ from: "/sweeps/$sweepId" });
  const sweep = useSweep(sweepId, ranking);
  if (sweep.data === undefined)
    return sweep.error ? <ErrorNotice error={sweep.error} onRetry={sweep.refetch} /> : <Loader />;
  const { name, grid, recipe, created_at: createdAt } = sweep.data;
  return (
    <Stack>
      <Group justify="space-between" align="start">
        <Stack gap={4}>
          <Title order={1} style={{ overflowWrap: "anywhere" }}>
            {name ?? Object.keys(grid).join(" × ")}
          </Title>
          <Text fz="sm">
            <Code>{sweepId}</Code> · {recipe} · <Age at={createdAt} />
          </Text>
          <StatusCounts counts={sweep.data.run_counts} />
        </Stack>
        <SweepActions sweep={sweep.data} />
      </Group>
      <Best sweep={sweep.data} />
      <Group align="end">
        <RankBy sweep={sweep.data} />
        <Compare sweep={sweep.data} />
      </Group>
      {sweep.error && <ErrorNotice error={sweep.error} onRetry={sweep.refetch} />}
      <SweepTable sweep={sweep.data} />
    </Stack>
  );
}

function Best({ sweep }: { sweep: SweepDetails }) {
  const best = sweep.runs.find((each) => each.is_best);
  if (best === undefined || best.score === null)
    return (
      <Text>
        <Trans>The best is marked as soon as a run has succeeded.</Trans>
      </Text>
    );
  return (
    <Text fw={600} style={{ overflowWrap: "anywhere" }}>
      <Trans>
        Best so far: <Link to="/runs/$runId" params={{ runId: best.run.uid }}>{best.run.name ?? best.run.id}</Link>, {sweep.ranked_by}{" "}
        {shortNumber(best.score)}
      </Trans>
    </Text>
  );
}

function RankBy({ sweep }: { sweep: SweepDetails }) {
  const { t } = useLingui();
  const navigate = useNavigate({ from: "/sweeps/$sweepId" });
  return (
    <>
      <Select
        label={t`Rank by`}
        allowDeselect={false}
        data={metricsOf(sweep)}
        value={sweep.ranked_by}
        onChange={(metric) => metric && navigate({ search: { metric } })}
      />
      <Select
        label={t`Best is`}
        allowDeselect={false}
        data={[
          { value: "min", label: t`the smallest` },
          { value: "max", label: t`the largest` },
        ]}
        value={sweep.ranked_for}
        onChange={(goal) => goal && navigate({ search: { metric: sweep.ranked_by, goal: goal as Goal } })}
      />
    </>
  );
}

function Compare({ sweep }: { sweep: SweepDetails }) {
  const ids = ranked(sweep).slice(0, MOST_COMPARED).map((each) => each.run.uid);
  if (ids.length < 2) return null;
  return (
    <Button
      variant="default"
      leftSection={<IconChartLine size={16} aria-hidden />}
      renderRoot={(props) => <Link to="/compare" search={{ run: ids }} {...props} />}
    >
      <Trans>Compare the curves</Trans>
    </Button>
  );
}

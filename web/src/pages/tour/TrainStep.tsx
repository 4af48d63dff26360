import { Trans, useLingui } from "@lingui/react/macro";
import { Anchor, Button, Group, Progress, Stack, Text, Title } from "@mantine/core";
import { Link, useNavigate } from "@tanstack/react-router";
import { useRunHistory } from "../../api/runHistory";
import { useRun } from "../../api/runs";
import { useStartTraining } from "../../api/tour";
import { Curve } from "../../components/Curve";
import { ErrorNotice } from "../../components/ErrorNotice";
import { ProgressText } from "../../components/ProgressText";
import { StatusBadge } from "../../components/StatusBadge";
import { FINISHED } from "../../kit/status";

const LOOK = { x: "step", log: false, robust: false, smoothing: 0 } as const;
/** What is marked here is not looked at more closely: the run's own page does that. */
const stay = () => undefined;

/** Starts the training on the data; then shows how it goes. */
export function TrainStep({ data, runId }: { data?: string; runId?: string }) {
  return (
    <Stack>
      <Title order={2} fz="h3">
        <Trans>2. Train</Trans>
      </Title>
      {runId === undefined ? <Start data={data ?? ""} /> : <Progressing runId={runId} />}
    </Stack>
  );
}

function Start({ data }: { data: string }) {
  const { t } = useLingui();
  const navigate = useNavigate({ from: "/tour" });
  const start = useStartTraining();
  return (
    <>
      <Text>
        <Trans>
          An untrained, tiny model reads the rows forty times (supervised fine-tuning, recipe sft). Watch its
          loss fall.
        </Trans>
      </Text>
      {start.error && <ErrorNotice error={start.error} />}
      <Button
        w="fit-content"
        loading={start.isPending}
        onClick={() =>
          start.mutate(
            { data, name: t`my first model` },
            { onSuccess: (run) => void navigate({ search: { data, run: run.id } }) },
          )
        }
      >
        <Trans>Start the training</Trans>
      </Button>
    </>
  );
}

function Progressing({ runId }: { runId: string }) {
  const run = useRun(runId);
  const history = useRunHistory(runId);
  const curves = history.data?.curves;
  if (run.error) return <ErrorNotice error={run.error} onRetry={run.refetch} />;
  if (!run.data) return null;
  const { status, progress, error } = run.data;
  return (
    <>
      <Group gap="sm">
        <StatusBadge status={status} />
        <Text fz="sm">
          <ProgressText run={run.data} />
        </Text>
      </Group>
      {!FINISHED.has(status) && <Progress value={progress.fraction * 100} aria-hidden />}
      {curves && <Curve name="loss" curves={curves} look={LOOK} onZoom={stay} />}
      {error && <Text>{error}</Text>}
      <Group>
        <Anchor component={Link} to={`/runs/${runId}`}>
          <Trans>All about this run</Trans>
        </Anchor>
        {FINISHED.has(status) && status !== "succeeded" && (
          <Anchor component={Link} to="/tour">
            <Trans>Begin anew</Trans>
          </Anchor>
        )}
      </Group>
    </>
  );
}

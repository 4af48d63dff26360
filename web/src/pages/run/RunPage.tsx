import { useLingui } from "@lingui/react/macro";
import { Alert, Code, Group, Loader, Progress, Stack, Text, Title } from "@mantine/core";
import { useParams } from "@tanstack/react-router";
import { ApiError } from "../../api/client";
import { useRun } from "../../api/runs";
import { Age } from "../../components/Age";
import { ErrorNotice } from "../../components/ErrorNotice";
import { ProgressText } from "../../components/ProgressText";
import { StatusBadge } from "../../components/StatusBadge";
import { RunActions } from "./RunActions";
import { RunTabs } from "./RunTabs";
import { SaveRun } from "./SaveRun";

/** One run: its state, what can be asked of it, curves, log, events and configuration. */
export function RunPage() {
  const { t } = useLingui();
  const { runId } = useParams({ from: "/runs/$runId" });
  const run = useRun(runId);
  if (run.data === undefined) return run.error ? <ErrorNotice error={run.error} onRetry={run.refetch} /> : <Loader />;
  const { name, id, status, recipe, model_name: model, error, warnings, progress } = run.data;
  const isGone = run.error instanceof ApiError && run.error.status === 404;
  return (
    <Stack>
      {isGone && <ErrorNotice error={run.error} />}
      <Group justify="space-between" align="start">
        <Stack gap={4}>
          <Group>
            <Title order={1}>{name ?? id}</Title>
            <StatusBadge status={status} />
          </Group>
          <Text fz="sm">
            <Code>{id}</Code> · {recipe} · {model ?? "—"} · <Age at={run.data.created_at} /> · <SaveRun runId={id} />
          </Text>
        </Stack>
        <RunActions run={run.data} />
      </Group>
      <Stack gap={4}>
        <Progress value={progress.fraction * 100} aria-label={t`Progress`} />
        <Text fz="sm">
          <ProgressText run={run.data} />
        </Text>
      </Stack>
      {error && (
        <Alert color="red" role="alert">
          {error}
        </Alert>
      )}
      {warnings.map((warning) => (
        <Alert key={warning.code} color="yellow">
          {warning.message}
        </Alert>
      ))}
      <RunTabs run={run.data} />
    </Stack>
  );
}

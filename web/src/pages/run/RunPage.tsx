import { Trans, useLingui } from "@lingui/react/macro";
import { Alert, Code, Group, Loader, Progress, Stack, Tabs, Text, Title } from "@mantine/core";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useRunHistory } from "../../api/runHistory";
import { useRun } from "../../api/runs";
import { Age } from "../../components/Age";
import { ErrorNotice } from "../../components/ErrorNotice";
import { ProgressText } from "../../components/ProgressText";
import { StatusBadge } from "../../components/StatusBadge";
import { Configuration } from "./Configuration";
import { Curves } from "./curves/Curves";
import { EventList } from "./EventList";
import { LogView } from "./LogView";
import { RunActions } from "./RunActions";
import { SaveRun } from "./SaveRun";
import type { RunTab } from "./search";

/** One run: its state, what can be asked of it, curves, log, events and configuration. */
export function RunPage() {
  const { t } = useLingui();
  const { runId } = useParams({ from: "/runs/$runId" });
  const { tab = "curves" } = useSearch({ from: "/runs/$runId" });
  const navigate = useNavigate({ from: "/runs/$runId" });
  const run = useRun(runId);
  const history = useRunHistory(runId);
  if (run.data === undefined) return run.error ? <ErrorNotice error={run.error} onRetry={run.refetch} /> : <Loader />;
  const { name, id, status, recipe, model_name: model, error, warnings, progress } = run.data;
  return (
    <Stack>
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
      <Tabs
        value={tab}
        keepMounted={false}
        onChange={(next) => navigate({ search: (before) => ({ ...before, tab: next as RunTab }) })}
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="curves">
            <Trans>Curves</Trans>
          </Tabs.Tab>
          <Tabs.Tab value="log">
            <Trans>Log</Trans>
          </Tabs.Tab>
          <Tabs.Tab value="events">
            <Trans>Events</Trans>
          </Tabs.Tab>
          <Tabs.Tab value="configuration">
            <Trans>Configuration</Trans>
          </Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="curves">
          {history.error && <ErrorNotice error={history.error} onRetry={history.refetch} />}
          {history.data && <Curves runId={runId} curves={history.data.curves} />}
        </Tabs.Panel>
        <Tabs.Panel value="log">
          <LogView run={run.data} />
        </Tabs.Panel>
        <Tabs.Panel value="events">{history.data && <EventList events={history.data.events} />}</Tabs.Panel>
        <Tabs.Panel value="configuration">
          <Configuration run={run.data} />
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}

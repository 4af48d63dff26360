import { Trans } from "@lingui/react/macro";
import { Tabs } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { Run } from "../../api/client";
import { useMe } from "../../api/account";
import { useRunHistory } from "../../api/runHistory";
import { ErrorNotice } from "../../components/ErrorNotice";
import { Configuration } from "./Configuration";
import { Curves } from "./curves/Curves";
import { EventList } from "./EventList";
import { LogView } from "./log/LogView";
import { Results } from "./results/Results";
import { Samples } from "./results/Samples";
import { RunAudit } from "./RunAudit";
import type { RunTab } from "./search";

/** All that is known of the run, a tab for each kind. */
export function RunTabs({ run }: { run: Run }) {
  const { tab = "curves" } = useSearch({ from: "/runs/$runId" });
  const navigate = useNavigate({ from: "/runs/$runId" });
  const me = useMe();
  const history = useRunHistory(run.id);
  const seesAudit = me.data?.permissions.includes("audit:read") ?? false;
  return (
    <Tabs
      value={tab}
      keepMounted={false}
      onChange={(next) => navigate({ search: (before) => ({ ...before, tab: next as RunTab }) })}
    >
      <Tabs.List mb="md">
        <Tabs.Tab value="curves">
          <Trans>Curves</Trans>
        </Tabs.Tab>
        <Tabs.Tab value="samples">
          <Trans>Samples</Trans>
        </Tabs.Tab>
        <Tabs.Tab value="log">
          <Trans>Log</Trans>
        </Tabs.Tab>
        <Tabs.Tab value="results">
          <Trans>Results</Trans>
        </Tabs.Tab>
        <Tabs.Tab value="events">
          <Trans>Events</Trans>
        </Tabs.Tab>
        <Tabs.Tab value="configuration">
          <Trans>Configuration</Trans>
        </Tabs.Tab>
        {seesAudit && (
          <Tabs.Tab value="audit">
            <Trans>Who did what</Trans>
          </Tabs.Tab>
        )}
      </Tabs.List>
      <Tabs.Panel value="curves">
        {history.error && <ErrorNotice error={history.error} onRetry={history.refetch} />}
        {history.data && <Curves runId={run.id} curves={history.data.curves} />}
      </Tabs.Panel>
      <Tabs.Panel value="samples">
        <Samples runId={run.id} />
      </Tabs.Panel>
      <Tabs.Panel value="log">
        <LogView run={run} />
      </Tabs.Panel>
      <Tabs.Panel value="results">
        <Results run={run} />
      </Tabs.Panel>
      <Tabs.Panel value="events">{history.data && <EventList events={history.data.events} />}</Tabs.Panel>
      <Tabs.Panel value="configuration">
        <Configuration run={run} />
      </Tabs.Panel>
      <Tabs.Panel value="audit">{seesAudit && <RunAudit run={run} />}</Tabs.Panel>
    </Tabs>
  );
}

import { Trans } from "@lingui/react/macro";
import { Anchor, Card, Loader, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { IconArrowRight } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { Schemas } from "../../api/client";
import { useLineage } from "../../api/models";
import { Age } from "../../components/Age";
import { ErrorNotice } from "../../components/ErrorNotice";
import { StatusBadge } from "../../components/StatusBadge";

/** From the data and the base over the run and the model to the runs that go on from it. */
export function Lineage({ runId, modelName }: { runId: string; modelName: string }) {
  const lineage = useLineage(runId);
  if (lineage.error) return <ErrorNotice error={lineage.error} onRetry={lineage.refetch} />;
  if (lineage.data === undefined) return <Loader />;
  const { datasets, models, run, resumed_from: resumed, descendants } = lineage.data;
  return (
    <Stack gap="xs" component="section">
      <Title order={2} fz="h4">
        <Trans>From data to model</Trans>
      </Title>
      <SimpleGrid cols={{ base: 1, sm: 2, lg: 4 }} component="ol" p={0} m={0} style={{ listStyle: "none" }}>
        <Step title={<Trans>Data and base</Trans>}>
          {datasets.map((data) => (
            <Data key={data.config_field} data={data} />
          ))}
          {models.map((base) => (
            <Text key={base.config_field} fz="sm" style={{ overflowWrap: "anywhere" }}>
              <Anchor component={Link} inherit underline="always" to={`/models/named/${base.model}`}>
                {base.model}
              </Anchor>
              {base.made_by && (
                <>
                  {" · "}
                  <Trans>made by</Trans> <RunLink run={base.made_by} />
                </>
              )}
            </Text>
          ))}
        </Step>
        <Step title={<Trans>Run</Trans>}>
          <RunLine run={run} />
          {resumed && (
            <Text fz="sm">
              <Trans>resumed from</Trans> <RunLink run={resumed} />
            </Text>
          )}
        </Step>
        <Step title={<Trans>Model</Trans>}>
          <Text fz="sm" style={{ overflowWrap: "anywhere" }}>
            {modelName}
          </Text>
        </Step>
        <Step title={<Trans>Goes on in</Trans>} isLast>
          {descendants.length === 0 && <Text fz="sm">—</Text>}
          {descendants.map(({ run: next }) => (
            <RunLine key={next.run_id} run={next} />
          ))}
        </Step>
      </SimpleGrid>
    </Stack>
  );
}

function Step({ title, isLast, children }: { title: React.ReactNode; isLast?: boolean; children: React.ReactNode }) {
  return (
    <Card withBorder padding="sm" component="li">
      <Text fz="sm" fw={600} mb={4}>
        {title} {!isLast && <IconArrowRight size={14} aria-hidden />}
      </Text>
      <Stack gap={4}>{children}</Stack>
    </Card>
  );
}

function Data({ data }: { data: Schemas["LineageData"] }) {
  return (
    <Text fz="sm" style={{ overflowWrap: "anywhere" }}>
      {data.dataset_id && data.dataset_name ? (
        <Anchor component={Link} inherit underline="always" to={`/datasets/${data.dataset_id}`} search={{ version: data.version } as never}>
          {data.dataset_name} · <Trans>version {data.version}</Trans>
        </Anchor>
      ) : (
        data.reference
      )}
    </Text>
  );
}

function RunLine({ run }: { run: Schemas["LineageRun"] }) {
  return (
    <Text fz="sm" component="div" style={{ overflowWrap: "anywhere" }}>
      <RunLink run={run} /> · {run.recipe} · <Age at={run.created_at} /> <StatusBadge status={run.status} />
    </Text>
  );
}

function RunLink({ run }: { run: Schemas["LineageRun"] }) {
  return (
    <Anchor component={Link} inherit underline="always" to={`/runs/${run.run_id}`}>
      {run.run_name ?? run.run_id}
    </Anchor>
  );
}

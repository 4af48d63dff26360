import { Trans } from "@lingui/react/macro";
import { Badge, Group, Loader, Stack, Tabs, Text, Title } from "@mantine/core";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useDataset, useVersions } from "../../api/datasets";
import { Age } from "../../components/Age";
import { CopyText } from "../../components/CopyText";
import { ErrorNotice } from "../../components/ErrorNotice";
import { sizeOf } from "../../kit/sizes";
import { Check } from "./Check";
import { DatasetActions } from "./DatasetActions";
import { Rows } from "./Rows";
import { StatisticsView } from "./StatisticsView";
import type { DatasetTab } from "./search";
import { Uses } from "./Uses";
import { Versions } from "./Versions";

/** One dataset: the rows of a version, what is in it, what is wrong with it, its versions, and who uses it. */
export function DatasetPage() {
  const { datasetId } = useParams({ from: "/datasets/$datasetId" });
  const { tab = "rows", version: wanted } = useSearch({ from: "/datasets/$datasetId" });
  const navigate = useNavigate({ from: "/datasets/$datasetId" });
  const dataset = useDataset(datasetId);
  const versions = useVersions(datasetId);
  if (dataset.error && dataset.data === undefined)
    return <ErrorNotice error={dataset.error} onRetry={dataset.refetch} />;
  if (dataset.data === undefined) return <Loader />;
  const newest = dataset.data.newest;
  const version = versions.data?.find((each) => each.version === wanted) ?? newest;
  return (
    <Stack>
      <Group justify="space-between" align="start">
        <Stack gap={4}>
          <Group>
            <Title order={1} style={{ overflowWrap: "anywhere" }}>
              {dataset.data.name}
            </Title>
            {dataset.data.shared && (
              <Badge variant="light" tt="none">
                <Trans>shared</Trans>
              </Badge>
            )}
          </Group>
          <Text fz="sm" component="div" style={{ overflowWrap: "anywhere" }}>
            <Trans>
              version {version.version} of {newest.version}
            </Trans>{" "}
            · {sizeOf(version.size_bytes)} · {version.filename} · <Age at={version.created_at} /> · {version.created_by}
          </Text>
          <CopyText text={version.reference} />
        </Stack>
        <DatasetActions dataset={dataset.data} version={version} />
      </Group>
      {version.note && <Text style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>{version.note}</Text>}
      <Tabs
        value={tab}
        keepMounted={false}
        onChange={(next) => navigate({ search: (before) => ({ ...before, tab: next as DatasetTab }) })}
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="rows">
            <Trans>Rows</Trans>
          </Tabs.Tab>
          <Tabs.Tab value="statistics">
            <Trans>Statistics</Trans>
          </Tabs.Tab>
          <Tabs.Tab value="check">
            <Trans>Check</Trans>
          </Tabs.Tab>
          <Tabs.Tab value="versions">
            <Trans>Versions</Trans>
          </Tabs.Tab>
          <Tabs.Tab value="runs">
            <Trans>Used by</Trans>
          </Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="rows">
          <Rows key={version.version} version={version} />
        </Tabs.Panel>
        <Tabs.Panel value="statistics">
          <StatisticsView version={version} />
        </Tabs.Panel>
        <Tabs.Panel value="check">
          <Check version={version} />
        </Tabs.Panel>
        <Tabs.Panel value="versions">
          <Versions dataset={dataset.data} shown={version.version} />
        </Tabs.Panel>
        <Tabs.Panel value="runs">
          <Uses datasetId={datasetId} />
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}

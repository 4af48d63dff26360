import { Trans, useLingui } from "@lingui/react/macro";
import { Alert, Anchor, Progress, Stack, Table, Text, Title } from "@mantine/core";
import { IconCheck, IconX } from "@tabler/icons-react";
import { useSystem } from "../../api/runs";
import { useEngines, useReadiness } from "../../api/server";
import { ErrorNotice } from "../../components/ErrorNotice";
import { sizeOf } from "../../kit/sizes";

const ENDED = new Set(["stopped"]);

/** Whether the server can do its work, on what it runs, and how its engines are. */
export function Health() {
  const { t } = useLingui();
  const ready = useReadiness();
  const system = useSystem();
  return (
    <Stack>
      {ready.error && <ErrorNotice error={ready.error} onRetry={ready.refetch} />}
      {!ready.error && ready.data === null && (
        <Alert color="green" icon={<IconCheck aria-hidden />} title={t`Ready`}>
          <Trans>The server and its database answer.</Trans>
        </Alert>
      )}
      {!ready.error && ready.data != null && (
        <Alert color="red" icon={<IconX aria-hidden />} title={t`Not ready`}>
          {ready.data}
        </Alert>
      )}
      {system.error && <ErrorNotice error={system.error} onRetry={system.refetch} />}
      {system.data && (
        <>
          <Facts
            facts={[
              [t`Version`, `Finery ${system.data.version}`],
              ["Python", system.data.python],
              [t`System`, system.data.platform],
              [t`Database`, system.data.database],
              [t`Warm start`, system.data.warm_start],
            ]}
          />
          <Text fz="sm">
            <Trans>
              Disk of the home: {sizeOf(system.data.disk_free_bytes)} of {sizeOf(system.data.disk_total_bytes)} free
            </Trans>
          </Text>
          <Progress value={100 - (100 * system.data.disk_free_bytes) / system.data.disk_total_bytes} aria-hidden />
        </>
      )}
      <Engines />
      <Text fz="sm">
        <Trans>
          For monitoring: <Anchor href="/metrics">/metrics</Anchor>, in Prometheus's format.
        </Trans>
      </Text>
    </Stack>
  );
}

function Engines() {
  const engines = useEngines();
  const shown = engines.data?.filter((engine) => !ENDED.has(engine.status)) ?? [];
  if (engines.error) return null;
  return (
    <Stack gap="xs">
      <Title order={2} fz="h4">
        <Trans>Engines</Trans>
      </Title>
      {shown.length === 0 ? (
        <Text fz="sm">
          <Trans>No model is being served.</Trans>
        </Text>
      ) : (
        <Facts facts={shown.map((each) => [each.model_name, [each.engine, each.status, each.error].filter(Boolean).join(" · ")])} />
      )}
    </Stack>
  );
}

function Facts({ facts }: { facts: [string, string][] }) {
  return (
    <Table withRowBorders={false} w="auto">
      <Table.Tbody>
        {facts.map(([name, value], index) => (
          <Table.Tr key={`${name}/${index}`}>
            <Table.Th fw={600}>{name}</Table.Th>
            <Table.Td style={{ overflowWrap: "anywhere" }}>{value}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

import { Trans, useLingui } from "@lingui/react/macro";
import { Alert, Badge, Button, Card, Code, Group, ScrollArea, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMayChange } from "../api/account";
import {
  useDeploymentLog,
  useShareDeployment,
  useStopDeployment,
  type Deployment,
} from "../api/models";
import { DEPLOYMENT_COLORS, DEPLOYMENT_WORDS } from "../kit/deployments";
import { sizeOf } from "../kit/sizes";
import { Age } from "./Age";
import { ConfirmButton } from "./ConfirmButton";
import { ErrorNotice } from "./ErrorNotice";

/** An engine that serves a model: its state, memory and log, and what can be asked of it. */
export function DeploymentCard({ deployment, title }: { deployment: Deployment; title: React.ReactNode }) {
  const { i18n } = useLingui();
  const [isLog, { toggle }] = useDisclosure();
  const mayChange = useMayChange("deployments")(deployment.owner_id);
  const stop = useStopDeployment();
  const share = useShareDeployment();
  const { id, status, finished_at: finishedAt, shared } = deployment;
  return (
    <Card withBorder padding="sm">
      <Group justify="space-between" align="start">
        <Group gap="xs">
          {title}
          <Badge color={DEPLOYMENT_COLORS[status]} variant="light" tt="none">
            {i18n._(DEPLOYMENT_WORDS[status])}
          </Badge>
        </Group>
        <Group gap="xs">
          <Button size="xs" variant="default" onClick={toggle} aria-expanded={isLog}>
            <Trans>Log</Trans>
          </Button>
          {mayChange && finishedAt === null && (
            <>
              <Button size="xs" variant="default" onClick={() => share.mutate({ id, shared: !shared })}>
                {shared ? <Trans>Stop sharing</Trans> : <Trans>Share</Trans>}
              </Button>
              <ConfirmButton
                disabled={status === "stopping"}
                question={<Trans>Stop serving {deployment.model_name}?</Trans>}
                consequence={<Trans>Answers under way are broken off, and its memory is given back.</Trans>}
                onConfirm={() => stop.mutate(id)}
              >
                <Trans>Stop it</Trans>
              </ConfirmButton>
            </>
          )}
        </Group>
      </Group>
      <Facts deployment={deployment} />
      {deployment.error && (
        <Alert color="red" p="xs" mt="xs" style={{ overflowWrap: "anywhere" }}>
          {deployment.error}
        </Alert>
      )}
      {(stop.error ?? share.error) && <ErrorNotice error={stop.error ?? share.error} />}
      {isLog && <EngineLog deployment={deployment} />}
    </Card>
  );
}

function Facts({ deployment }: { deployment: Deployment }) {
  const { engine, device, memory_bytes: memory, slot, on_demand: onDemand, last_used_at: lastUsed } = deployment;
  return (
    <Text fz="sm" style={{ overflowWrap: "anywhere" }}>
      {engine}
      {device && ` · ${device}`}
      {memory != null && ` · ${sizeOf(memory)}`}
      {slot && ` · ${slot}`}
      {onDemand && (
        <>
          {" · "}
          <Trans>started by a request, ends when it idles</Trans>
        </>
      )}
      {" · "}
      {lastUsed ? (
        <>
          <Trans>last used</Trans> <Age at={lastUsed} />
        </>
      ) : (
        <Age at={deployment.created_at} />
      )}
    </Text>
  );
}

function EngineLog({ deployment }: { deployment: Deployment }) {
  const { t } = useLingui();
  const log = useDeploymentLog(deployment);
  if (log.error) return <ErrorNotice error={log.error} onRetry={log.refetch} />;
  if (log.data?.length === 0)
    return (
      <Text fz="sm">
        <Trans>Nothing has been written yet.</Trans>
      </Text>
    );
  return (
    <ScrollArea.Autosize
      mah={320}
      mt="xs"
      viewportProps={{ tabIndex: 0, "aria-label": t`Log`, role: "log", "aria-live": "off" }}
    >
      <Code block>{(log.data ?? []).join("\n")}</Code>
    </ScrollArea.Autosize>
  );
}

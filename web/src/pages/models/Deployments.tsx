import { Trans } from "@lingui/react/macro";
import { Anchor, Loader, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useDeployments, type Deployment } from "../../api/models";
import { DeploymentCard } from "../../components/DeploymentCard";
import { ErrorNotice } from "../../components/ErrorNotice";

const ENDED_SHOWN = 20;

/** The engines that run, and those that ended last. */
export function Deployments() {
  const deployments = useDeployments();
  if (deployments.error) return <ErrorNotice error={deployments.error} onRetry={deployments.refetch} />;
  if (deployments.data === undefined) return <Loader />;
  const live = deployments.data.filter(({ finished_at: end }) => end === null);
  const ended = deployments.data.filter(({ finished_at: end }) => end !== null).slice(0, ENDED_SHOWN);
  return (
    <Stack>
      {live.length === 0 && (
        <Text>
          <Trans>No model is served at the moment. A question in the playground loads one.</Trans>
        </Text>
      )}
      <Cards deployments={live} />
      {ended.length > 0 && (
        <>
          <Title order={2} fz="h4">
            <Trans>Ended last</Trans>
          </Title>
          <Cards deployments={ended} />
        </>
      )}
    </Stack>
  );
}

function Cards({ deployments }: { deployments: Deployment[] }) {
  return deployments.map((deployment) => (
    <DeploymentCard
      key={deployment.id}
      deployment={deployment}
      title={
        <Anchor component={Link} to={`/models/named/${deployment.model_name}`} fw={600} style={{ overflowWrap: "anywhere" }}>
          {deployment.model_name}
        </Anchor>
      }
    />
  ));
}

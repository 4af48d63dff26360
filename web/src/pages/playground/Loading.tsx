import { Trans } from "@lingui/react/macro";
import { Group, Loader, Text } from "@mantine/core";
import { useDeployments } from "../../api/models";

/** Says what is waited for: the model's engine, or its first token. */
export function Loading({ model }: { model: string }) {
  const deployments = useDeployments({ isAwaited: true });
  const starting = deployments.data?.find(
    ({ model_name: name, status }) => status === "starting" && name === model,
  );
  return (
    <Group gap="xs" wrap="nowrap">
      <Loader size="xs" />
      <Text fz="sm">
        {starting ? (
          <Trans>The model is being loaded ({starting.engine}). The question is answered as soon as it is there.</Trans>
        ) : (
          <Trans>Waiting for the first token.</Trans>
        )}
      </Text>
    </Group>
  );
}

import { Trans, useLingui } from "@lingui/react/macro";
import { Badge, Group, Loader, Stack, Text, Title } from "@mantine/core";
import { useParams } from "@tanstack/react-router";
import { useDeployments, useModels } from "../../api/models";
import { Age } from "../../components/Age";
import { CopyText } from "../../components/CopyText";
import { DeploymentCard } from "../../components/DeploymentCard";
import { ErrorNotice } from "../../components/ErrorNotice";
import { fineTunedName, KIND_WORDS, modelOf, type ModelKind } from "../../kit/models";
import { Files } from "./Files";
import { Lineage } from "./Lineage";
import { ModelActions } from "./ModelActions";

/** One model: where it comes from and where it goes, its files, and the engines that serve it. */
export function ModelPage() {
  const { i18n } = useLingui();
  const { _splat: name = "" } = useParams({ from: "/models/named/$" });
  const models = useModels();
  const deployments = useDeployments();
  if (models.error) return <ErrorNotice error={models.error} onRetry={models.refetch} />;
  if (models.data === undefined) return <Loader />;
  const model = modelOf(models.data, name);
  const secondName = fineTunedName(models.data, model?.path);
  const names = new Set([name, model?.name, secondName].filter(Boolean));
  const serving = deployments.data?.filter(({ model_name: asked, model: place }) => names.has(asked) || names.has(place));
  return (
    <Stack>
      <Group justify="space-between" align="start">
        <Stack gap={4}>
          <Title order={1} style={{ overflowWrap: "anywhere" }}>
            {name}
          </Title>
          {model ? (
            <>
              <Group gap="xs">
                <Badge variant="default" tt="none">
                  {model.kind in KIND_WORDS ? i18n._(KIND_WORDS[model.kind as ModelKind]) : model.kind}
                </Badge>
                {model.is_adapter && (
                  <Badge variant="default" tt="none">
                    <Trans>adapter</Trans>
                  </Badge>
                )}
                {model.created_at && <Age at={model.created_at} />}
              </Group>
              <Text fz="sm">{model.description}</Text>
              <CopyText text={model.name} />
              {secondName && <CopyText text={secondName} />}
            </>
          ) : (
            <Text>
              <Trans>It is in no list of this server: it was deleted, or it is a model of a hub.</Trans>
            </Text>
          )}
        </Stack>
        <ModelActions name={model?.name ?? name} runId={model?.run_id ?? null} />
      </Group>
      {model?.run_id && <Lineage runId={model.run_id} modelName={model.name} />}
      {model?.run_id && <Files runId={model.run_id} />}
      <Title order={2} fz="h4">
        <Trans>Deployments</Trans>
      </Title>
      {serving?.length === 0 && (
        <Text>
          <Trans>It has not been served yet.</Trans>
        </Text>
      )}
      {serving?.map((deployment) => (
        <DeploymentCard key={deployment.id} deployment={deployment} title={<Text ff="monospace">{deployment.id}</Text>} />
      ))}
    </Stack>
  );
}

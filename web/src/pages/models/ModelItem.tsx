import { Trans, useLingui } from "@lingui/react/macro";
import { Anchor, Badge, Group, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useMay } from "../../api/account";
import type { Deployment, Model } from "../../api/models";
import { Age } from "../../components/Age";
import { DEPLOYMENT_COLORS, DEPLOYMENT_WORDS } from "../../kit/deployments";
import { KIND_WORDS, type ModelKind } from "../../kit/models";

/** A model in the list. */
export function ModelItem({ model, deployments }: { model: Model; deployments: Deployment[] }) {
  const { i18n } = useLingui();
  const may = useMay();
  const served = deployments.find(
    ({ model_name: name, model: place, finished_at: end }) =>
      end === null && (name === model.name || place === model.name || place === model.path),
  );
  return (
    <>
      <Group gap="xs" justify="space-between">
        <Anchor component={Link} to={`/models/named/${model.name}`} fw={600} style={{ overflowWrap: "anywhere" }}>
          {model.name}
        </Anchor>
        <Group gap="xs">
          {served && (
            <Badge color={DEPLOYMENT_COLORS[served.status]} variant="light" tt="none">
              {i18n._(DEPLOYMENT_WORDS[served.status])}
            </Badge>
          )}
          {model.is_adapter && (
            <Badge variant="default" tt="none">
              <Trans>adapter</Trans>
            </Badge>
          )}
          <Badge variant="default" tt="none">
            {model.kind in KIND_WORDS ? i18n._(KIND_WORDS[model.kind as ModelKind]) : model.kind}
          </Badge>
          {may("models:use") && (
            <Anchor component={Link} to="/playground" search={{ model: model.name } as never} fz="sm">
              <Trans>Try it</Trans>
            </Anchor>
          )}
        </Group>
      </Group>
      <Text fz="sm" style={{ overflowWrap: "anywhere" }}>
        {model.base ? (
          <>
            <Trans>from {model.base}</Trans> · <Age at={model.created_at} />
          </>
        ) : (
          model.description
        )}
      </Text>
    </>
  );
}

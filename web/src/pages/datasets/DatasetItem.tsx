import { Trans } from "@lingui/react/macro";
import { Anchor, Badge, Group, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { Dataset } from "../../api/datasets";
import { Age } from "../../components/Age";
import { sizeOf } from "../../kit/sizes";

/** A dataset in the list. */
export function DatasetItem({ dataset }: { dataset: Dataset }) {
  const { id, name, shared, newest } = dataset;
  return (
    <>
      <Group gap="xs" justify="space-between">
        <Anchor component={Link} to={`/datasets/${id}`} fw={600} style={{ overflowWrap: "anywhere" }}>
          {name}
        </Anchor>
        {shared && (
          <Badge variant="light" tt="none">
            <Trans>shared</Trans>
          </Badge>
        )}
      </Group>
      <Text fz="sm" style={{ overflowWrap: "anywhere" }}>
        <Trans>version {newest.version}</Trans> · {sizeOf(newest.size_bytes)} · {newest.filename} ·{" "}
        <Age at={newest.created_at} /> · {newest.created_by}
      </Text>
      {newest.note && (
        <Text fz="sm" lineClamp={1}>
          {newest.note}
        </Text>
      )}
    </>
  );
}

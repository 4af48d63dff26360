import { Trans } from "@lingui/react/macro";
import { Anchor, Group, Stack, Text, useComputedColorScheme } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { lineStyle, PALETTE } from "../../kit/comparison";
import type { LineOwner } from "./lines";

const WIDTH = 32;
const HEIGHT = 10;

/** Each line's number, colour and dashes, with what it stands for. */
export function Legend({ owners, isGrouped }: { owners: LineOwner[]; isGrouped: boolean }) {
  return (
    <Stack gap={4}>
      <Group gap="md" component="ul" p={0} m={0} style={{ listStyle: "none" }}>
        {owners.map((owner) => (
          <Group key={owner.tag} gap={6} component="li" wrap="nowrap" maw="100%">
            <Sample place={owner.place} />
            <Text fz="sm" fw={700} component="span">
              {owner.tag}
            </Text>
            {isGrouped ? (
              <Text fz="sm" component="span" truncate>
                {owner.name}
              </Text>
            ) : (
              <Anchor component={Link} to={`/runs/${owner.members[0]?.run.uid}`} fz="sm" truncate>
                {owner.name}
              </Anchor>
            )}
          </Group>
        ))}
      </Group>
      {isGrouped && (
        <Text fz="sm">
          <Trans>Lines are means; each band reaches from the least to the greatest value. In brackets: how many runs.</Trans>
        </Text>
      )}
    </Stack>
  );
}

function Sample({ place }: { place: number }) {
  const scheme = useComputedColorScheme("light");
  const { color, dash } = lineStyle(place);
  return (
    <svg width={WIDTH} height={HEIGHT} aria-hidden>
      <line
        x1={0}
        x2={WIDTH}
        y1={HEIGHT / 2}
        y2={HEIGHT / 2}
        stroke={PALETTE[scheme][color]}
        strokeWidth={3}
        strokeDasharray={dash.join(" ")}
      />
    </svg>
  );
}

import { Trans } from "@lingui/react/macro";
import { Alert, Anchor, Stack, Text } from "@mantine/core";
import { IconAlertOctagon, IconAlertTriangle } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { Attention } from "../api/attention";
import { Age } from "./Age";

/** What needs attention, each with its remedy. */
export function AttentionNotices({ found }: { found: Attention[] }) {
  return (
    <Stack gap="xs">
      {found.map((each) => (
        <Alert
          key={each.id}
          color={each.severity === "error" ? "red" : "yellow"}
          icon={each.severity === "error" ? <IconAlertOctagon aria-hidden /> : <IconAlertTriangle aria-hidden />}
        >
          <Text fz="sm" fw={600}>
            {each.run ? (
              <Anchor component={Link} to={`/runs/${each.run.id}`} inherit c="inherit" td="underline">
                {each.run.name ?? each.run.id}
              </Anchor>
            ) : (
              <Trans>This machine</Trans>
            )}
            {": "}
            {each.message}
          </Text>
          <Text fz="sm">
            {each.remedy} · <Age at={each.since} />
          </Text>
        </Alert>
      ))}
    </Stack>
  );
}

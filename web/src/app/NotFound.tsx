import { Trans } from "@lingui/react/macro";
import { Anchor, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";

export function NotFound() {
  return (
    <Stack p="xl">
      <Title order={1}>
        <Trans>There is no such page</Trans>
      </Title>
      <Text>
        <Anchor component={Link} to="/">
          <Trans>Go to the overview</Trans>
        </Anchor>
      </Text>
    </Stack>
  );
}

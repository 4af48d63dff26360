import { Trans } from "@lingui/react/macro";
import { Stack, Tabs, Title } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Deployments } from "./Deployments";
import { ModelList } from "./ModelList";
import type { ModelsTab } from "./search";

/** The models that can be named, and the engines that serve them. */
export function Models() {
  const { tab = "models" } = useSearch({ from: "/models" });
  const navigate = useNavigate({ from: "/models" });
  return (
    <Stack>
      <Title order={1}>
        <Trans>Models</Trans>
      </Title>
      <Tabs
        value={tab}
        keepMounted={false}
        onChange={(next) => navigate({ search: (before) => ({ ...before, tab: next as ModelsTab }) })}
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="models">
            <Trans>Models</Trans>
          </Tabs.Tab>
          <Tabs.Tab value="deployments">
            <Trans>Deployments</Trans>
          </Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="models">
          <ModelList />
        </Tabs.Panel>
        <Tabs.Panel value="deployments">
          <Deployments />
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}

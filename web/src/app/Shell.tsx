import { Trans, useLingui } from "@lingui/react/macro";
import { AppShell, Burger, Group, NavLink, ScrollArea, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconLayoutDashboard, IconListDetails } from "@tabler/icons-react";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { useEffect } from "react";
import type { Schemas } from "../api/client";
import { AccountMenu } from "./AccountMenu";
import { ConnectionNotice } from "./ConnectionNotice";
import { DisplayMenu } from "./DisplayMenu";

/** The frame around every page: its name, the way to others, who is here, language and colours. */
export function Shell({ me }: { me: Schemas["Me"] }) {
  const { t } = useLingui();
  const [opened, { toggle, close }] = useDisclosure();
  const path = useRouterState({ select: (state) => state.location.pathname });
  useEffect(close, [path, close]);
  const places = [
    { to: "/", label: t`Overview`, Icon: IconLayoutDashboard, isHere: path === "/" },
    { to: "/runs", label: t`Runs`, Icon: IconListDetails, isHere: path.startsWith("/runs") },
  ] as const;
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 210, breakpoint: "sm", collapsed: { mobile: !opened } }}
      padding="md"
    >
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={t`Menu`} />
            <Text fw={700} fz="lg" component="span">
              Finery
            </Text>
          </Group>
          <Group gap="xs" wrap="nowrap">
            <DisplayMenu />
            <AccountMenu me={me} />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" component="nav" aria-label={t`Pages`}>
        <AppShell.Section grow component={ScrollArea}>
          {places.map(({ to, label, Icon, isHere }) => (
            <NavLink
              key={to}
              renderRoot={(props) => <Link to={to} {...props} />}
              label={label}
              leftSection={<Icon size={18} aria-hidden />}
              active={isHere}
              aria-current={isHere ? "page" : undefined}
            />
          ))}
        </AppShell.Section>
        <AppShell.Section p="xs">
          <Text fz="sm">
            <Trans>
              For programs: <a href="/docs">the API</a>
            </Trans>
          </Text>
        </AppShell.Section>
      </AppShell.Navbar>
      <AppShell.Main>
        <ConnectionNotice />
        <Outlet />
      </AppShell.Main>
    </AppShell>
  );
}

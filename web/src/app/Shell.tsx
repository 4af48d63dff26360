import { Trans, useLingui } from "@lingui/react/macro";
import { AppShell, Burger, Group, NavLink, ScrollArea, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { useEffect } from "react";
import type { Schemas } from "../api/client";
import { useLive } from "../api/live";
import { AccountMenu } from "./AccountMenu";
import { ConnectionNotice } from "./ConnectionNotice";
import { DisplayMenu } from "./DisplayMenu";
import { PLACES } from "./places";
import classes from "./Shell.module.css";

/** The frame around every page: its name, the way to others, who is here, language and colours. */
export function Shell({ me }: { me: Schemas["Me"] }) {
  const { t, i18n } = useLingui();
  const [opened, { toggle, close }] = useDisclosure();
  const path = useRouterState({ select: (state) => state.location.pathname });
  useEffect(close, [path, close]);
  useLive(me);
  const places = PLACES.filter(({ needs }) => needs === undefined || me.permissions.includes(needs));
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
      <AppShell.Navbar
        p="xs"
        component="nav"
        aria-label={t`Pages`}
        className={classes["nav"] ?? ""}
        data-closed={opened ? undefined : true}
      >
        <AppShell.Section grow component={ScrollArea}>
          {places.map(({ to, label, Icon }) => {
            const isHere = to === "/" ? path === "/" : path.startsWith(to);
            return (
              <NavLink
                key={to}
                renderRoot={(props) => <Link to={to} {...props} />}
                label={i18n._(label)}
                leftSection={<Icon size={18} aria-hidden />}
                active={isHere}
                aria-current={isHere ? "page" : undefined}
              />
            );
          })}
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

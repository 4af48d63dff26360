import { Trans, useLingui } from "@lingui/react/macro";
import { Badge, Button, Menu } from "@mantine/core";
import { IconLogout, IconUser } from "@tabler/icons-react";
import { useLogout } from "../api/account";
import type { Schemas } from "../api/client";
import { ErrorNotice } from "../components/ErrorNotice";

/** Who is here, and the way out. Without accounts, whoever sits at this machine is the administrator. */
export function AccountMenu({ me }: { me: Schemas["Me"] }) {
  const { t } = useLingui();
  const logout = useLogout();
  if (me.user === null || me.user === undefined)
    return (
      <Badge variant="default" tt="none" visibleFrom="sm">
        <Trans>on this machine</Trans>
      </Badge>
    );
  return (
    <Menu position="bottom-end" closeOnItemClick={false}>
      <Menu.Target>
        <Button variant="default" size="xs" leftSection={<IconUser size={16} aria-hidden />} aria-label={t`Account: ${me.name}`}>
          {me.name}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{me.user.levels.join(", ")}</Menu.Label>
        <Menu.Item leftSection={<IconLogout size={16} aria-hidden />} onClick={() => logout.mutate()}>
          <Trans>Log out</Trans>
        </Menu.Item>
        {logout.error && <ErrorNotice error={logout.error} />}
      </Menu.Dropdown>
    </Menu>
  );
}

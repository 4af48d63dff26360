import { Trans, useLingui } from "@lingui/react/macro";
import { msg } from "@lingui/core/macro";
import type { MessageDescriptor } from "@lingui/core";
import { Stack, Tabs, Title } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMe, type Permission } from "../../api/account";
import { Account } from "./Account";
import { Audit } from "./Audit";
import { Health } from "./Health";
import { Secrets } from "./Secrets";
import { Settings } from "./Settings";
import { TABS, type Tab } from "./search";
import { Users } from "./Users";
import { Webhooks } from "./Webhooks";

const PARTS: Record<Tab, { label: MessageDescriptor; permission: Permission; Part: () => React.ReactNode }> = {
  account: { label: msg`Account`, permission: "account:self", Part: Account },
  users: { label: msg`Users`, permission: "users:read", Part: Users },
  secrets: { label: msg`Secrets`, permission: "secrets:write", Part: Secrets },
  webhooks: { label: msg`Webhooks`, permission: "webhooks:write", Part: Webhooks },
  audit: { label: msg`Audit log`, permission: "audit:read", Part: Audit },
  settings: { label: msg`Settings`, permission: "settings:read", Part: Settings },
  health: { label: msg`Health`, permission: "system:read", Part: Health },
};

/** The account of whoever looks, and of the server what they may see. */
export function Admin() {
  const { i18n } = useLingui();
  const { tab } = useSearch({ from: "/admin" });
  const navigate = useNavigate({ from: "/admin" });
  const me = useMe();
  const allowed = TABS.filter((each) => me.data?.permissions.includes(PARTS[each].permission));
  const open = tab !== undefined && allowed.includes(tab) ? tab : allowed[0];
  if (open === undefined) return null;
  return (
    <Stack>
      <Title order={1}>
        <Trans>Administration</Trans>
      </Title>
      <Tabs value={open} onChange={(value) => void navigate({ search: { tab: value as Tab } })} keepMounted={false}>
        <Tabs.List mb="md">
          {allowed.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {i18n._(PARTS[each].label)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {allowed.map((each) => {
          const { Part } = PARTS[each];
          return (
            <Tabs.Panel key={each} value={each}>
              <Part />
            </Tabs.Panel>
          );
        })}
      </Tabs>
    </Stack>
  );
}

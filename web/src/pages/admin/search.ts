/** What the administration keeps in its address. */
import type { AuditFilter } from "../../api/audit";
import { dayOf, oneOf, textOf, type Search } from "../../kit/search";

export const TABS = ["account", "users", "secrets", "webhooks", "audit", "settings", "health"] as const;
export type Tab = (typeof TABS)[number];
export const RESULTS = ["ok", "denied", "failed"] as const;

export interface AdminSearch extends AuditFilter {
  tab?: Tab;
  /** The webhook whose deliveries are open. */
  webhook?: string;
}

export function adminSearch(search: Search): AdminSearch {
  return {
    ...oneOf(search, "tab", TABS),
    ...textOf(search, "webhook"),
    ...textOf(search, "user_id"),
    ...textOf(search, "action"),
    ...textOf(search, "target"),
    ...oneOf(search, "result", RESULTS),
    ...dayOf(search, "since"),
    ...dayOf(search, "until"),
  };
}

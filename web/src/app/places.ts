/** The pages in the menu, in its order: one line for each. */
import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";
import { IconDatabase, IconLayoutDashboard, IconListDetails, IconMessages, IconSettings, type Icon } from "@tabler/icons-react";

interface Place {
  to: "/" | "/runs" | "/datasets" | "/playground" | "/admin";
  label: MessageDescriptor;
  Icon: Icon;
}

export const PLACES: readonly Place[] = [
  { to: "/", label: msg`Overview`, Icon: IconLayoutDashboard },
  { to: "/runs", label: msg`Runs`, Icon: IconListDetails },
  { to: "/datasets", label: msg`Datasets`, Icon: IconDatabase },
  { to: "/playground", label: msg`Playground`, Icon: IconMessages },
  { to: "/admin", label: msg`Administration`, Icon: IconSettings },
];

/** The pages in the menu, in its order: one line for each. */
import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";
import { IconLayoutDashboard, IconListDetails, type Icon } from "@tabler/icons-react";

interface Place {
  to: "/" | "/runs";
  label: MessageDescriptor;
  Icon: Icon;
}

export const PLACES: readonly Place[] = [
  { to: "/", label: msg`Overview`, Icon: IconLayoutDashboard },
  { to: "/runs", label: msg`Runs`, Icon: IconListDetails },
];

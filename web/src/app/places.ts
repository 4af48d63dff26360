/** The pages in the menu, in its order: one line for each. */
import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";
import {
  IconAdjustmentsHorizontal,
  IconCube,
  IconDatabase,
  IconLayoutDashboard,
  IconListDetails,
  IconMessages,
  IconPlus,
  IconSettings,
  IconStack2,
  type Icon,
} from "@tabler/icons-react";
import type { Permission } from "../api/account";

interface Place {
  to: "/" | "/new" | "/runs" | "/sweeps" | "/datasets" | "/models" | "/playground" | "/queue" | "/admin";
  label: MessageDescriptor;
  Icon: Icon;
  /** Without it there is nothing to do there. */
  needs?: Permission;
}

export const PLACES: readonly Place[] = [
  { to: "/", label: msg`Overview`, Icon: IconLayoutDashboard },
  { to: "/new", label: msg`New run`, Icon: IconPlus },
  { to: "/runs", label: msg`Runs`, Icon: IconListDetails },
  { to: "/sweeps", label: msg`Sweeps`, Icon: IconAdjustmentsHorizontal },
  { to: "/datasets", label: msg`Datasets`, Icon: IconDatabase },
  { to: "/models", label: msg`Models`, Icon: IconCube },
  { to: "/playground", label: msg`Playground`, Icon: IconMessages, needs: "models:use" },
  { to: "/queue", label: msg`Queue`, Icon: IconStack2 },
  { to: "/admin", label: msg`Administration`, Icon: IconSettings },
];

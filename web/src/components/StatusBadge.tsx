import { useLingui } from "@lingui/react/macro";
import { Badge } from "@mantine/core";
import {
  IconAlertTriangle,
  IconBan,
  IconCheck,
  IconClock,
  IconLoader,
  IconPlayerPause,
  IconPlayerPlay,
} from "@tabler/icons-react";
import type { RunStatus } from "../api/client";
import { STATUS_COLORS, STATUS_WORDS } from "../kit/status";

const ICONS: Record<RunStatus, typeof IconClock> = {
  queued: IconClock,
  starting: IconLoader,
  running: IconPlayerPlay,
  paused: IconPlayerPause,
  succeeded: IconCheck,
  failed: IconAlertTriangle,
  cancelled: IconBan,
};

/** A run's state as word, form and colour. */
export function StatusBadge({ status }: { status: RunStatus }) {
  const { i18n } = useLingui();
  const Icon = ICONS[status];
  return (
    <Badge
      color={STATUS_COLORS[status]}
      variant="light"
      tt="none"
      miw="max-content"
      leftSection={<Icon size={12} aria-hidden />}
    >
      {i18n._(STATUS_WORDS[status])}
    </Badge>
  );
}

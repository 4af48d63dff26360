import { Trans, useLingui } from "@lingui/react/macro";
import { Anchor, Button, Group, Stack, Text } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import type { Run } from "../../../api/client";
import { logAddress, useRunLog } from "../../../api/runLog";
import { ErrorNotice } from "../../../components/ErrorNotice";
import { sizeOf } from "../../../kit/sizes";
import { FINISHED } from "../../../kit/status";
import { LogLines } from "./LogLines";
import { LogSearch } from "./LogSearch";

/** The log: its end as it is written, or any place of it, and what the server finds in the whole. */
export function LogView({ run }: { run: Run }) {
  const { t } = useLingui();
  const { at } = useSearch({ from: "/runs/$runId" });
  const navigate = useNavigate({ from: "/runs/$runId" });
  const [isAtEnd, setAtEnd] = useState(true);
  const [returns, setReturns] = useState(0);
  const isFollowed = at === undefined && isAtEnd;
  const log = useRunLog(run.id, { at, isFollowed, isEnded: FINISHED.has(run.status) });
  const go = (place: number | undefined) =>
    void navigate({ search: ({ at: _, ...rest }) => (place === undefined ? rest : { ...rest, at: place }) });
  const goToEnd = () => {
    // The lines begin anew, at their end.
    setReturns(returns + 1);
    setAtEnd(true);
    if (at === undefined) void log.readEnd();
    else go(undefined);
  };
  const { start = 0, end = 0, total = 0 } = log.data ?? {};
  return (
    <Stack gap="xs">
      <LogSearch runId={run.id} onFound={go} />
      {log.error && <ErrorNotice error={log.error} onRetry={log.refetch} />}
      <Group justify="space-between">
        <Text fz="sm">
          <Trans>
            {sizeOf(start)} to {sizeOf(end)} of {sizeOf(total)}
          </Trans>
        </Text>
        <Group gap="xs">
          <Button size="compact-sm" variant="default" disabled={at === 0} onClick={() => go(0)}>
            <Trans>To the beginning</Trans>
          </Button>
          <Button size="compact-sm" variant="default" disabled={isFollowed} onClick={goToEnd}>
            <Trans>To the end</Trans>
          </Button>
          <Anchor href={logAddress(run.id)} download={`${run.id}.log`} fz="sm">
            <Trans>Save the whole log</Trans>
          </Anchor>
        </Group>
      </Group>
      {log.data && (
        <LogLines
          key={at ?? `end ${returns}`}
          label={t`Log`}
          log={log.data}
          beginsAtEnd={at === undefined}
          onAtEnd={setAtEnd}
          onEarlier={log.readEarlier}
          onLater={log.readLater}
        />
      )}
    </Stack>
  );
}

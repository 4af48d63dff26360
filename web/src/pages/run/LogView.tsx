import { Trans, useLingui } from "@lingui/react/macro";
import { Anchor, Group, Stack, Text } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef } from "react";
import type { Run } from "../../api/client";
import { logAddress, useRunLog } from "../../api/runLog";
import { ErrorNotice } from "../../components/ErrorNotice";
import { FINISHED } from "../../kit/status";
import { linesOf, piecesOf } from "../../kit/logText";
import classes from "./LogView.module.css";

const LINE_HEIGHT = 18;

/** The end of the log; it follows what is added as long as the reader is at the end. */
export function LogView({ run }: { run: Run }) {
  const { t } = useLingui();
  const log = useRunLog(run.id, { isLive: !FINISHED.has(run.status) });
  const lines = useMemo(() => linesOf(log.data?.text ?? ""), [log.data?.text]);
  const frame = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const rows = useVirtualizer({
    count: lines.length,
    getScrollElement: () => frame.current,
    estimateSize: () => LINE_HEIGHT,
    overscan: 20,
  });
  useEffect(() => {
    if (isAtEnd.current && lines.length > 0) rows.scrollToIndex(lines.length - 1, { align: "end" });
  }, [lines, rows]);
  if (log.error) return <ErrorNotice error={log.error} onRetry={log.refetch} />;
  return (
    <Stack gap="xs">
      <Group justify="space-between">
        <Text fz="sm">{log.data?.isCut ? <Trans>The beginning is left out here.</Trans> : null}</Text>
        <Anchor href={logAddress(run.id)} download={`${run.id}.log`} fz="sm">
          <Trans>Save the whole log</Trans>
        </Anchor>
      </Group>
      <div
        ref={frame}
        className={classes["frame"]}
        tabIndex={0}
        role="log"
        aria-label={t`Log`}
        onScroll={(event) => {
          const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
          isAtEnd.current = scrollHeight - scrollTop - clientHeight < 2 * LINE_HEIGHT;
        }}
      >
        <div style={{ height: rows.getTotalSize(), position: "relative" }}>
          {rows.getVirtualItems().map((row) => (
            <div
              key={row.key}
              data-index={row.index}
              ref={rows.measureElement}
              className={classes["line"]}
              style={{ transform: `translateY(${row.start}px)` }}
            >
              {piecesOf(lines[row.index] ?? "").map((piece, place) => (
                <span key={place} style={piece.fg ? { color: `rgb(${piece.fg})` } : {}}>
                  {piece.content}
                </span>
              ))}
            </div>
          ))}
        </div>
      </div>
    </Stack>
  );
}

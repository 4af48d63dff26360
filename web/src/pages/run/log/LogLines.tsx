import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useMemo, useRef } from "react";
import type { LogWindow } from "../../../api/runLog";
import { linesOf, piecesOf } from "../../../kit/logText";
import classes from "./LogView.module.css";

const LINE_HEIGHT = 18;
/** So near an end of the window, in pixels, more is read. */
const NEAR = 400;

interface LogLinesProps {
  label: string;
  log: LogWindow;
  beginsAtEnd: boolean;
  onAtEnd: (isAtEnd: boolean) => void;
  onEarlier: () => Promise<void>;
  onLater: () => Promise<void>;
}

/** The lines of a window of the log; who scrolls to its end reads on, and what comes before keeps its place. */
export function LogLines({ label, log, beginsAtEnd, onAtEnd, onEarlier, onLater }: LogLinesProps) {
  const lines = useMemo(() => linesOf(log.text), [log.text]);
  const frame = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(beginsAtEnd);
  const lastTop = useRef(0);
  const isBusy = useRef(false);
  const seen = useRef({ start: log.start, count: lines.length });
  const rows = useVirtualizer({
    count: lines.length,
    getScrollElement: () => frame.current,
    estimateSize: () => LINE_HEIGHT,
    overscan: 20,
  });
  useLayoutEffect(() => {
    const { start, count } = seen.current;
    seen.current = { start: log.start, count: lines.length };
    if (log.start < start) rows.scrollToIndex(Math.max(0, lines.length - count), { align: "start" });
  }, [log.start, lines, rows]);
  useEffect(() => {
    if (isAtEnd.current && lines.length > 0) rows.scrollToIndex(lines.length - 1, { align: "end" });
  }, [lines, rows]);
  const read = (more: () => Promise<void>) => {
    if (isBusy.current) return;
    isBusy.current = true;
    void more().finally(() => (isBusy.current = false));
  };
  const look = ({ scrollHeight, scrollTop, clientHeight }: HTMLDivElement) => {
    const below = scrollHeight - scrollTop - clientHeight;
    // Lines that come, or turn out higher than estimated, lead away from the end, too; only who scrolls up leaves it.
    if (below < 2 * LINE_HEIGHT && log.end >= log.total) isAtEnd.current = true;
    else if (scrollTop < lastTop.current) isAtEnd.current = false;
    lastTop.current = scrollTop;
    onAtEnd(isAtEnd.current);
    if (scrollTop < NEAR && log.start > 0) read(onEarlier);
    else if (below < NEAR && log.end < log.total) read(onLater);
  };
  return (
    <div
      ref={frame}
      className={classes["frame"]}
      tabIndex={0}
      role="log"
      // Read aloud, lines that come by the hundred drown everything else.
      aria-live="off"
      aria-label={label}
      onScroll={(event) => look(event.currentTarget)}
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
  );
}

/** What of a long table is in sight, and which of its rows the keyboard is at. */
import { useMediaQuery } from "@mantine/hooks";
import { useVirtualizer, type Virtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, useState, type RefObject } from "react";

const ROW = 40;
const CARD = 92;
const HEAD = 40;

export interface TableWindow {
  frame: RefObject<HTMLDivElement | null>;
  rows: Virtualizer<HTMLDivElement, Element>;
  /** The rows that are seen, also in part; `rows` has some before and after them. */
  seen: () => number[];
  isNarrow: boolean;
  active: number;
  setActive: (index: number) => void;
  /** Makes the row the active one, and brings it into sight. */
  goTo: (index: number) => void;
}

export function useTableWindow(count: number): TableWindow {
  const frame = useRef<HTMLDivElement>(null);
  const isNarrow = useMediaQuery("(max-width: 48em)", false, { getInitialValueInEffect: false });
  const [active, setActive] = useState(0);
  const rows = useVirtualizer<HTMLDivElement, Element>({
    count,
    getScrollElement: () => frame.current,
    estimateSize: () => (isNarrow ? CARD : ROW),
    overscan: 10,
    scrollPaddingStart: isNarrow ? 0 : HEAD,
  });
  useEffect(() => rows.measure(), [rows, isNarrow]);
  const goTo = (index: number) => {
    const within = Math.max(0, Math.min(count - 1, index));
    setActive(within);
    rows.scrollToIndex(within);
  };
  const seen = () => {
    const top = rows.scrollOffset ?? 0;
    const bottom = top + (rows.scrollRect?.height ?? 0) - (isNarrow ? 0 : HEAD);
    return rows.getVirtualItems().flatMap(({ index, start, end }) => (end > top && start < bottom ? [index] : []));
  };
  return { frame, rows, seen, isNarrow, active, setActive, goTo };
}

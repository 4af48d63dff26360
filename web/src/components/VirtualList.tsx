import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef } from "react";
import classes from "./VirtualList.module.css";

interface VirtualListProps {
  /** What the list is, for those who do not see it. */
  label: string;
  count: number;
  /** About how high an item is, in pixels, until it is measured. */
  height: number;
  /** Draws the item of this index. */
  children: (index: number) => React.ReactNode;
  /** Told which items are drawn, whenever that changes. */
  onShown?: (first: number, last: number) => void;
  /** The item that is shown at first. */
  start?: number;
}

/** A list of any length, of which the page holds what is seen. */
export function VirtualList({ label, count, height, children, onShown, start }: VirtualListProps) {
  const frame = useRef<HTMLDivElement>(null);
  const list = useVirtualizer({
    count,
    getScrollElement: () => frame.current,
    estimateSize: () => height,
    overscan: 8,
  });
  const items = list.getVirtualItems();
  const [first, last] = [items[0]?.index ?? 0, items.at(-1)?.index ?? 0];
  useEffect(() => onShown?.(first, last), [first, last, count, onShown]);
  useEffect(() => {
    if (start !== undefined && start < count) list.scrollToIndex(start, { align: "start" });
  }, [start, start !== undefined && start < count]);
  return (
    <div ref={frame} className={classes["frame"]} tabIndex={0} role="list" aria-label={label}>
      <div className={classes["inner"]} style={{ height: list.getTotalSize() }}>
        {items.map((item) => (
          <div
            key={item.key}
            ref={list.measureElement}
            data-index={item.index}
            role="listitem"
            aria-setsize={count}
            aria-posinset={item.index + 1}
            className={classes["item"]}
            style={{ transform: `translateY(${item.start}px)` }}
          >
            {children(item.index)}
          </div>
        ))}
      </div>
    </div>
  );
}

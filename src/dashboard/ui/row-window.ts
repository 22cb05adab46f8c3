import { type ReadonlySignal, useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";

/** Rows above and below the visible ones, so that fast scrolling shows no gaps. */
const overscan = 8;

/** Range of rows to render: `first` to `end` exclusive. */
export interface RowRange {
  readonly first: number;
  readonly end: number;
}

/** Follows which rows of a fixed height are visible in a scrolling element. */
export function useRowWindow(
  scroller: RefObject<HTMLElement | null>,
  rowHeight: ReadonlySignal<number>,
): (count: number) => RowRange {
  const place = useSignal({ top: 0, height: 800 });
  useEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const measure = () => {
      const { scrollTop: top, clientHeight: height } = element;
      const before = place.peek();
      if (before.top !== top || before.height !== height) place.value = { top, height };
    };
    measure();
    element.addEventListener("scroll", measure, { passive: true });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => {
      element.removeEventListener("scroll", measure);
      observer.disconnect();
    };
  }, [scroller, place]);
  return (count) => {
    const { top, height } = place.value;
    const visible = Math.ceil(height / rowHeight.value) + 2 * overscan;
    const first = Math.max(0, Math.min(Math.floor(top / rowHeight.value) - overscan, count - visible));
    return { first, end: Math.min(count, first + visible) };
  };
}

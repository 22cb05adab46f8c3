import { type ReadonlySignal, useComputed } from "@preact/signals";
import { h, html } from "htm/preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { isNarrow } from "../ui/media.ts";
import { useRowWindow } from "../ui/row-window.ts";
import { formatTime } from "../ui/time.ts";
import type { TailRow } from "./event-row.ts";

interface Props {
  readonly rows: readonly TailRow[];
  /** Key of the row whose content is shown. */
  readonly opened: string;
  readonly onOpen: (key: string) => void;
  /** Two lines for each row, for narrow places. */
  readonly isCompact: boolean;
}

/** Events, newest first. Only the rows near the visible ones exist in the document. */
export const EventList = ({ rows, opened, onOpen, isCompact }: Props) => {
  const scroller = useRef<HTMLDivElement>(null);
  // style.css has the same heights.
  const rowHeight: ReadonlySignal<number> = useComputed(() => (isCompact || isNarrow.value ? 52 : 34));
  const range = useRowWindow(scroller, rowHeight);
  useKeptPlace(scroller, rows, rowHeight.value);
  const { first, end } = range(rows.length);
  return html`
    <div class=${isCompact ? "tail compact" : "tail"} ref=${scroller} tabindex="0" role="region" aria-label="Events" onKeyDown=${moveFocus}>
      <ol style=${{ height: `${rows.length * rowHeight.value}px`, paddingTop: `${first * rowHeight.value}px` }}>
        ${rows.slice(first, end).map((row, offset) =>
          h(TailLine, {
            key: row.key,
            row,
            place: first + offset + 1,
            count: rows.length,
            isOpened: row.key === opened,
            onOpen,
          }),
        )}
      </ol>
    </div>
  `;
};

interface LineProps {
  readonly row: TailRow;
  readonly place: number;
  readonly count: number;
  readonly isOpened: boolean;
  readonly onOpen: (key: string) => void;
}

const TailLine = ({ row, place, count, isOpened, onOpen }: LineProps) => {
  if (row.kind === "gap") return html`<li class="gap" aria-posinset=${place} aria-setsize=${count}>${row.summary}</li>`;
  const { event, timeMs, summary, key } = row;
  return html`
    <li aria-posinset=${place} aria-setsize=${count}>
      <button type="button" class="event" aria-pressed=${String(isOpened)} onClick=${() => onOpen(isOpened ? "" : key)}>
        <time datetime=${new Date(timeMs).toISOString()} title=${formatTime(timeMs)}>${clockTime(timeMs)}</time>
        <b>${event.name}</b> <span class="event-session">${event.session}</span> <span class="summary">${summary}</span>
      </button>
    </li>
  `;
};

const clockFormatter = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const clockTime = (ms: number): string => clockFormatter.format(ms);

/** Keeps the rows that a person reads in their place when new ones arrive above them. */
function useKeptPlace(
  scroller: { readonly current: HTMLElement | null },
  rows: readonly TailRow[],
  rowHeight: number,
): void {
  const before = useRef<string | undefined>(undefined);
  useLayoutEffect(() => {
    const added = rows.findIndex(({ key }) => key === before.current);
    before.current = rows[0]?.key;
    if (scroller.current && added > 0 && scroller.current.scrollTop > 0)
      scroller.current.scrollTop += added * rowHeight;
  }, [rows]);
}

/** Moves the focus from event to event by the arrow keys. */
function moveFocus(event: KeyboardEvent): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined || !(event.currentTarget instanceof HTMLElement)) return;
  const buttons = [...event.currentTarget.querySelectorAll<HTMLElement>("button.event")];
  const current = buttons.findIndex((button) => button.matches(":focus"));
  const next = buttons[current === -1 ? 0 : current + step];
  if (next === undefined) return;
  event.preventDefault();
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

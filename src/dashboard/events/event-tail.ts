import { h, html } from "htm/preact";
import { useLayoutEffect, useMemo, useState } from "preact/hooks";
import { announce } from "../ui/announcer.ts";
import { downloadText } from "../ui/download.ts";
import { EventDetails } from "./event-details.ts";
import { EventFeed, type EventFilter, maxRows } from "./event-feed.ts";
import { EventList } from "./event-list.ts";
import { hasWords, jsonLinesOf } from "./event-row.ts";

interface Props {
  readonly filter: EventFilter;
  /** Words that the shown events must have. */
  readonly text: string;
  readonly isCompact?: boolean;
}

/** The latest events, as they occur. A filter by session or name goes to the server; the text filters what has arrived. */
export const EventTail = ({ filter, text, isCompact = false }: Props) => {
  const filterKey = JSON.stringify(filter);
  const feed = useMemo(() => new EventFeed(filter), [filterKey]);
  const [isPaused, setPaused] = useState(false);
  const [opened, setOpened] = useState("");
  // Before the next frame, so that nothing arrives once the page says that it is paused.
  useLayoutEffect(() => {
    if (isPaused) return;
    const closed = new AbortController();
    void feed.run(closed.signal);
    return () => closed.abort();
  }, [feed, isPaused]);
  const rows = feed.rows.value;
  const shown = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    return rows.filter((row) => hasWords(row, words));
  }, [rows, text]);
  const row = rows.find(({ key }) => key === opened);

  function download(): void {
    const time = new Date().toISOString().replaceAll(":", "-").slice(0, 19);
    downloadText(`events-${time}.jsonl`, "application/jsonl", jsonLinesOf(shown));
    announce("The download has begun");
  }

  return html`
    <div class="actions">
      <button type="button" aria-pressed=${String(isPaused)} onClick=${() => setPaused(!isPaused)}>${isPaused ? "Resume" : "Pause"}</button>
      <button type="button" disabled=${rows.length === 0} onClick=${() => feed.clear()}>Clear</button>
      <button type="button" disabled=${shown.length === 0} onClick=${download}>Download</button>
      <span class="total">${countText(shown.length, rows.length)}</span>
      ${h(FeedState, { feed, isPaused })}
    </div>
    <div class="tail-and-details">
      ${h(EventList, { rows: shown, opened, onOpen: setOpened, isCompact })}
      ${shown.length === 0 && html`<p class="empty">${emptyText(feed, isPaused, rows.length)}</p>`}
      ${row?.kind === "event" && h(EventDetails, { key: row.key, event: row.event, onClose: () => setOpened("") })}
    </div>
  `;
};

const FeedState = ({ feed, isPaused }: { feed: EventFeed; isPaused: boolean }) => {
  const words = {
    connecting: "Connecting …",
    waiting: "Too many other tabs follow events or codes. Close one of them.",
    live: "Live",
    lost: "Connection lost. Trying again …",
  };
  return html`<span class="feed-state" role="status">${isPaused ? "Paused" : words[feed.state.value]}</span>`;
};

function countText(shown: number, all: number): string {
  if (shown < all) return `${shown} of ${all} events`;
  if (all === maxRows) return `the latest ${maxRows} events`;
  return all === 1 ? "1 event" : `${all} events`;
}

function emptyText(feed: EventFeed, isPaused: boolean, all: number): string {
  if (all > 0) return "No event has these words.";
  if (isPaused) return "Paused. Resume to see events.";
  if (feed.state.value === "waiting") return "Waiting for another tab to be closed.";
  if (feed.state.value === "lost") return "The server cannot be reached. Trying again …";
  return feed.state.value === "live" ? "No events yet. They appear here as they occur." : "Loading the latest events …";
}

import { signal } from "@preact/signals";
import { h, html } from "htm/preact";
import { useRef } from "preact/hooks";
import { useRowWindow } from "../ui/row-window.ts";
import type { BulkItem, BulkRun, ItemState } from "./bulk-run.ts";

/** style.css has the same height. */
const rowHeight = signal(32);

/** The result for each session. Once the run has ended, those that failed come first. */
export const BulkResults = ({ run }: { run: BulkRun }) => {
  const scroller = useRef<HTMLDivElement>(null);
  const range = useRowWindow(scroller, rowHeight);
  const items = run.phase.value === "ended" ? withFailedFirst(run.items) : run.items;
  const { first, end } = range(items.length);
  return html`
    <div class="results" ref=${scroller} tabindex="0" role="region" aria-label="Results">
      <div style=${{ minHeight: `${items.length * rowHeight.value}px` }}>
        <ul style=${{ marginTop: `${first * rowHeight.value}px` }}>
          ${items.slice(first, end).map((item) => h(Result, { key: item.name, item }))}
        </ul>
      </div>
    </div>
  `;
};

const Result = ({ item: { name, state } }: { item: BulkItem }) => {
  const { tone, words } = describe(state.value);
  return html`<li data-session=${name}><b>${name}</b> <span class="status" data-status=${tone} title=${words}>${words}</span></li>`;
};

/** Returns the words for a state, and the status that has its colour. */
function describe(state: ItemState): { readonly tone: string; readonly words: string } {
  if (typeof state === "object") return { tone: "FAILED", words: `▲ ${state.fault}` };
  if (state === "done") return { tone: "WORKING", words: "● done" };
  return state === "running" ? { tone: "STARTING", words: "◐ under way" } : { tone: "STOPPED", words: "· not yet" };
}

const withFailedFirst = (items: readonly BulkItem[]): BulkItem[] =>
  items.toSorted((a, b) => Number(isFailed(b)) - Number(isFailed(a)));

const isFailed = ({ state }: BulkItem): boolean => typeof state.value === "object";

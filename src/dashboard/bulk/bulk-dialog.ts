import { h, html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { announce } from "../ui/announcer.ts";
import { ConfirmField } from "../ui/confirm-field.ts";
import { Modal } from "../ui/modal.ts";
import { bulkWords, type CurrentRun, countSessions, currentRun } from "./bulk-actions.ts";
import { BulkResults } from "./bulk-results.ts";

/** Asks before a run, shows its progress, and then the result for each session. */
export const BulkDialog = ({ action, run }: CurrentRun) => {
  const phase = run.phase.value;
  const { label } = bulkWords[action];
  const count = countSessions(run.items.length);
  const close = () => {
    if (run.phase.peek() !== "running" && currentRun.peek()?.run === run) currentRun.value = undefined;
  };
  return h(
    Modal,
    {
      title: phase === "asking" ? `${label} ${count}?` : `${label} ${count}`,
      onClose: close,
      isLocked: phase === "running",
    },
    phase === "asking" ? h(Question, { action, run, onClose: close }) : h(Progress, { action, run, onClose: close }),
  );
};

type PartProps = CurrentRun & { readonly onClose: () => void };

const shownNames = 5;

const Question = ({ action, run, onClose }: PartProps) => {
  const [typed, setTyped] = useState("");
  const { items } = run;
  const names = items.slice(0, shownNames).map(({ name }) => name);
  const others = items.length - names.length;
  const isDeletion = action === "delete";
  const isConfirmed = !isDeletion || typed.trim() === String(items.length);
  return html`
    <p class="names">${names.join(", ")}${others > 0 && ` and ${others} more`}</p>
    <p>${bulkWords[action].effect}</p>
    ${isDeletion && h(ConfirmField, { label: `Type ${items.length} to confirm`, value: typed, onInput: setTyped })}
    <div class="actions">
      <button type="button" class=${isDeletion ? "danger" : "primary"} disabled=${!isConfirmed} onClick=${() => void run.run()}>
        ${bulkWords[action].label} ${countSessions(items.length)}
      </button>
      <button type="button" onClick=${onClose}>Cancel</button>
    </div>
  `;
};

const Progress = ({ run, onClose }: PartProps) => {
  const isRunning = run.phase.value === "running";
  const { done, failed } = run.progress.value;
  const total = run.items.length;
  const open = total - done;
  const isStopped = !isRunning && done + failed < total;
  useEffect(() => {
    if (!isRunning) return;
    const onLeave = (event: Event) => event.preventDefault();
    addEventListener("beforeunload", onLeave);
    return () => removeEventListener("beforeunload", onLeave);
  }, [isRunning]);
  useEffect(() => announce(isRunning ? `Working on ${countSessions(open)}` : `${done} of ${total} done`), [isRunning]);
  return html`
    <p class="run-progress">
      ${done} of ${total} done${failed > 0 && html`, <strong class="fault">${failed} failed</strong>`}${isStopped && `, ${total - done - failed} not tried`}
    </p>
    <progress max=${total} value=${done + failed} aria-label="Progress"></progress>
    ${h(BulkResults, { run })}
    <div class="actions">
      ${isRunning && html`<button type="button" onClick=${() => run.cancel()}>Cancel the rest</button>`}
      ${!isRunning && open > 0 && html`<button type="button" class="primary" onClick=${() => void run.run()}>Retry ${countSessions(open)}</button>`}
      ${!isRunning && html`<button type="button" onClick=${onClose}>Close</button>`}
    </div>
  `;
};

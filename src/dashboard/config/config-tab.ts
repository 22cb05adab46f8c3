import { h, html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { loginOptions, onLogout } from "../api/access.ts";
import type { SessionRow } from "../sessions/session-row.ts";
import { announce } from "../ui/announcer.ts";
import { ConfigEdit, type Conflict } from "./config-edit.ts";
import { ConfigEditor } from "./config-editor.ts";

/** Edits that are not saved, by session. They outlive another tab of the drawer, and the end of a login. */
const edits = new Map<string, ConfigEdit>();
onLogout(() => edits.clear());

function editOf(session: string): ConfigEdit {
  const edit = edits.get(session) ?? new ConfigEdit(session);
  edits.set(session, edit);
  return edit;
}

/** Shows and changes a session's configuration. */
export const ConfigTab = ({ row: { name } }: { row: SessionRow }) => {
  const edit = editOf(name);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    void edit.open();
    return () => {
      if (!edit.isChanged) edits.delete(name);
    };
  }, [edit, name]);
  const isReadonly = loginOptions.value.readonly;
  const { draft } = edit;
  async function run(work: () => Promise<unknown>): Promise<void> {
    setBusy(true);
    if ((await work()) === true) announce("Configuration saved");
    setBusy(false);
  }
  if (edit.state.value === "loading") return html`<p class="empty" role="status">Loading the configuration …</p>`;
  if (edit.state.value === "failed") {
    return html`<p class="fault" role="alert">${edit.fault.value}</p>
      <button type="button" onClick=${() => void run(() => edit.reload())}>Try again</button>`;
  }
  const submit = (event: Event) => {
    event.preventDefault();
    if (!isBusy && draft.fault.value === "") void run(() => edit.save());
  };
  return html`
    <form class="editor" onSubmit=${submit}>
      ${h(ConfigEditor, { draft, isReadonly })}
      <p class="fault" role="alert">${edit.fault.value}</p>
      ${
        edit.conflict.value
          ? h(ConflictNotice, {
              conflict: edit.conflict.value,
              onTake: () => run(() => edit.reload()),
              onOverwrite: () => run(() => edit.overwrite()),
            })
          : !isReadonly &&
            html`<div class="actions">
              <button type="submit" class="primary" disabled=${isBusy || !edit.isChanged || draft.fault.value !== ""}>Save</button>
              <button type="button" disabled=${isBusy || !edit.isChanged} onClick=${() => void run(() => edit.reload())}>Discard changes</button>
            </div>`
      }
    </form>
  `;
};

interface ConflictProps {
  readonly conflict: Conflict;
  readonly onTake: () => void;
  readonly onOverwrite: () => void;
}

/** Shows what others have changed meanwhile, and lets the person choose. */
const ConflictNotice = ({ conflict: { changes }, onTake, onOverwrite }: ConflictProps) => html`
  <div class="remedy" role="alert">
    <strong>Not saved: the session was changed meanwhile, here or elsewhere.</strong>
    ${changes.length === 0 && html`<p>What is shown of the configuration is the same.</p>`}
    <ul class="changes">
      ${changes.map(
        ({ path, before, after }) =>
          html`<li><code>${path}</code>: ${before === undefined ? "nothing" : html`<del>${before}</del>`} → ${after === undefined ? "nothing" : html`<ins>${after}</ins>`}</li>`,
      )}
    </ul>
    <div class="actions">
      <button type="button" onClick=${onTake}>Show their version</button>
      <button type="button" class="danger" onClick=${onOverwrite}>Save mine over it</button>
    </div>
  </div>
`;

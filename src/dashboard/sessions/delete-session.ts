import { h, html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { go, route, routeWith } from "../route.ts";
import { ActionButton } from "../ui/action-button.ts";
import { sessionCalls } from "./session-calls.ts";

interface Props {
  readonly name: string;
  readonly onFault: (sentence: string) => void;
}

/** Deletes a session after the person has typed its name. */
export const DeleteSession = ({ name, onFault }: Props) => {
  const dialog = useRef<HTMLDialogElement>(null);
  const [typed, setTyped] = useState("");
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
  }, [isOpen]);
  async function remove(): Promise<void> {
    await sessionCalls.delete(name);
    go(routeWith(route.value, { session: "", tab: "" }));
  }
  const close = () => {
    setOpen(false);
    setTyped("");
  };
  if (!isOpen) return html`<button type="button" class="danger" onClick=${() => setOpen(true)}>Delete …</button>`;
  return html`
    <button type="button" class="danger" disabled>Delete …</button>
    <dialog ref=${dialog} aria-labelledby="delete-title" onClose=${close}>
      <h3 id="delete-title">Delete ${name}?</h3>
      <p>Its device is unlinked. Its configuration and its data are removed.</p>
      <label>
        Type its name to confirm
        <input
          autocomplete="off"
          spellcheck="false"
          value=${typed}
          onInput=${({ currentTarget }: { currentTarget: HTMLInputElement }) => setTyped(currentTarget.value)}
        />
      </label>
      <div class="actions">
        ${h(ActionButton, { label: "Delete", kind: "danger", isDisabled: typed !== name, action: remove, onFault })}
        <button type="button" onClick=${() => dialog.current?.close()}>Cancel</button>
      </div>
    </dialog>
  `;
};

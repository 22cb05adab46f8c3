import { h, html } from "htm/preact";
import { useState } from "preact/hooks";
import { go, route, routeWith } from "../route.ts";
import { ActionButton } from "../ui/action-button.ts";
import { ConfirmField } from "../ui/confirm-field.ts";
import { Modal } from "../ui/modal.ts";
import { sessionCalls } from "./session-calls.ts";

/** Deletes a session after the person has typed its name. */
export const DeleteSession = ({ name }: { name: string }) => {
  const [typed, setTyped] = useState("");
  const [fault, setFault] = useState("");
  const [isOpen, setOpen] = useState(false);
  async function remove(): Promise<void> {
    await sessionCalls.delete(name);
    go(routeWith(route.value, { session: "", tab: "" }));
  }
  const close = () => {
    setOpen(false);
    setTyped("");
    setFault("");
  };
  return html`
    <button type="button" class="danger" disabled=${isOpen} onClick=${() => setOpen(true)}>Delete …</button>
    ${
      isOpen &&
      h(
        Modal,
        { title: `Delete ${name}?`, onClose: close },
        html`
          <p>Its device is unlinked. Its configuration and its data are removed.</p>
          ${h(ConfirmField, { label: "Type its name to confirm", value: typed, onInput: setTyped })}
          <p class="fault" role="alert">${fault}</p>
          <div class="actions">
            ${h(ActionButton, { label: "Delete", kind: "danger", isDisabled: typed !== name, action: remove, onFault: setFault })}
            <button type="button" onClick=${close}>Cancel</button>
          </div>
        `,
      )
    }
  `;
};

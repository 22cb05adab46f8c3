import { h, html } from "htm/preact";
import { useState } from "preact/hooks";
import { messageClient } from "../api/clients.ts";
import { ActionButton } from "../ui/action-button.ts";
import { Modal } from "../ui/modal.ts";

interface Props {
  readonly session: string;
  readonly id: string;
  readonly text: string;
  readonly chatId: string;
  readonly onFault: (sentence: string) => void;
  readonly onChange: () => void;
}

/** Cancels a message that has not left, after a confirmation. */
export const CancelMessage = ({ session, id, text, chatId, onFault, onChange }: Props) => {
  const [isOpen, setOpen] = useState(false);
  const close = () => setOpen(false);
  async function cancel(): Promise<void> {
    try {
      await messageClient.cancelOutgoing({ session, id });
    } finally {
      close();
      onChange();
    }
  }
  return html`
    <button type="button" disabled=${isOpen} aria-label=${`Cancel the message to ${chatId} …`} onClick=${() => setOpen(true)}>Cancel …</button>
    ${
      isOpen &&
      h(
        Modal,
        { title: "Cancel this message?", onClose: close },
        html`
          <p>${text}</p>
          <p>It will not be sent to ${chatId}.</p>
          <div class="actions">
            ${h(ActionButton, { label: "Cancel message", kind: "danger", action: cancel, onFault })}
            <button type="button" onClick=${close}>Keep it</button>
          </div>
        `,
      )
    }
  `;
};

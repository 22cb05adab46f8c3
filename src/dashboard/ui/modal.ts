import { html } from "htm/preact";
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";

interface Props {
  readonly title: string;
  readonly onClose: () => void;
  /** True while Escape must not close it. */
  readonly isLocked?: boolean;
  readonly children?: ComponentChildren;
}

/** A dialog above the page. The browser keeps the focus in it, and returns it to the button that opened the dialog. */
export const Modal = ({ title, onClose, isLocked = false, children }: Props) => {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return html`
    <dialog
      ref=${dialog}
      aria-labelledby=${titleId}
      onCancel=${(event: Event) => isLocked && event.preventDefault()}
      onClose=${onClose}
      onKeyDown=${(event: KeyboardEvent) => event.stopPropagation()}
    >
      <h2 id=${titleId}>${title}</h2>
      ${children}
    </dialog>
  `;
};

import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { messageOf } from "../api/errors.ts";
import { announce } from "./announcer.ts";

interface Props {
  readonly label: string;
  /** Look of the button: "primary", "danger" or "". */
  readonly kind?: string;
  readonly isDisabled?: boolean;
  readonly action: () => Promise<unknown>;
  /** Shows a failure beside the group of buttons. "" removes it. */
  readonly onFault: (sentence: string) => void;
}

/** A button for one call. It shows that the call is under way, and takes no second press meanwhile. */
export const ActionButton = ({ label, kind = "", isDisabled = false, action, onFault }: Props) => {
  const [isBusy, setBusy] = useState(false);
  async function press(): Promise<void> {
    setBusy(true);
    onFault("");
    try {
      await action();
      announce(`${label}: done`);
    } catch (error) {
      onFault(`${label}: ${messageOf(error)}`);
    } finally {
      setBusy(false);
    }
  }
  return html`
    <button type="button" class=${kind} disabled=${isDisabled || isBusy} aria-busy=${isBusy ? "true" : undefined} onClick=${press}>
      ${label}
    </button>
  `;
};

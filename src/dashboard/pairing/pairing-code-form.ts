import type { ReadonlySignal } from "@preact/signals";
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { messageOf } from "../api/errors.ts";

interface Props {
  readonly code: ReadonlySignal<string | undefined>;
  readonly request: (phone: string) => Promise<string>;
}

/** Requests a code that is typed into the phone, for phones that cannot scan. */
export const PairingCodeForm = ({ code, request }: Props) => {
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState("");
  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    if (!(event.currentTarget instanceof HTMLFormElement) || isBusy) return;
    const phone = String(new FormData(event.currentTarget).get("phone") ?? "");
    setBusy(true);
    setFault("");
    // The stream shows the code, here and on every other screen that follows the pairing.
    await request(phone).catch((error: unknown) => setFault(messageOf(error)));
    setBusy(false);
  }
  return html`
    <form class="pairing-code" onSubmit=${submit}>
      <label>Or by phone number <input name="phone" type="tel" required autocomplete="off" placeholder="+1 555 123 4567" /></label>
      <button type="submit" disabled=${isBusy}>${isBusy ? "Requesting …" : "Get a code"}</button>
      <p class="fault" role="alert">${fault}</p>
      ${
        code.value !== undefined &&
        html`<p role="status">
          Type this code into the phone (Linked devices → Link with phone number):
          <output class="typed-code">${code.value}</output>
        </p>`
      }
    </form>
  `;
};

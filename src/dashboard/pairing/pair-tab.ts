import { h, html } from "htm/preact";
import { useState } from "preact/hooks";
import { Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import { loginOptions } from "../api/access.ts";
import { authClient } from "../api/clients.ts";
import { applyRemedy, sessionCalls } from "../sessions/session-calls.ts";
import { phoneOf, type SessionRow } from "../sessions/session-row.ts";
import { ActionButton } from "../ui/action-button.ts";
import { reasonWords } from "../words.ts";
import { PairingLinks } from "./pairing-links.ts";
import { type PairingCalls, PairingPanel } from "./pairing-panel.ts";

const calls: PairingCalls = {
  openQrStream: (session, signal) => authClient.qrStream({ session }, { signal }),
  requestCode: async (session, phoneNumber) => (await authClient.requestCode({ session, phoneNumber })).code,
  refusal: "You may not see this code.",
};

/** Pairs a session with a phone, or offers the call that begins a pairing. */
export const PairTab = ({ row }: { row: SessionRow }) => {
  const { name, status } = row;
  const [fault, setFault] = useState("");
  const begin = (label: string, action: () => Promise<unknown>) =>
    !loginOptions.value.readonly && h(ActionButton, { label, kind: "primary", action, onFault: setFault });
  const faultLine = html`<p class="fault" role="alert">${fault}</p>`;
  if (status === Status.STOPPED) {
    return html`<p>The session is stopped. Start it to see a code.</p>${begin("Start", () => sessionCalls.start(name))}${faultLine}`;
  }
  if (status === Status.FAILED) {
    const again = begin("Pair again", () => applyRemedy("pair", name));
    return html`<p role="status">${reasonWords[row.reason]}. ${row.message}</p>${again}${faultLine}`;
  }
  if (status === Status.WORKING) {
    const account = [phoneOf(row) ?? row.account?.id, row.account?.pushName].filter(Boolean).join(" · ");
    return html`<p class="paired" role="status">Paired with ${account}.</p>`;
  }
  if (loginOptions.value.readonly) return html`<p>The dashboard is read only. It shows no codes.</p>`;
  return html`${h(PairingPanel, { session: name, calls })} ${h(PairingLinks, { key: name, session: name })}`;
};

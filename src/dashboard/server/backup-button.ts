import { h, html } from "htm/preact";
import { useState } from "preact/hooks";
import { storeClient } from "../api/clients.ts";
import { ActionButton } from "../ui/action-button.ts";
import { formatBytes } from "../ui/bytes.ts";

/** Writes a backup of the store, and says where it is. */
export const BackupButton = ({ onBackup }: { onBackup: () => void }) => {
  const [fault, setFault] = useState("");
  const [result, setResult] = useState("");
  async function backUp(): Promise<void> {
    setResult("");
    const { path, entries, bytes } = await storeClient.backup({});
    setResult(`${entries} entries, ${formatBytes(Number(bytes))}, in ${path}`);
    onBackup();
  }
  return html`
    <p class="hint">A backup contains logins, encrypted as in the store.</p>
    <div class="actions">${h(ActionButton, { label: "Back up now", action: backUp, onFault: setFault })}</div>
    <p class="fault" role="alert">${fault}</p>
    <p class="path" role="status">${result}</p>
  `;
};

import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { h, html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { authClient } from "../api/clients.ts";
import { messageOf } from "../api/errors.ts";
import { baseUrl } from "../base-url.ts";
import { ActionButton } from "../ui/action-button.ts";
import { copyText } from "../ui/clipboard.ts";
import { currentMs, formatDuration } from "../ui/time.ts";

interface Link {
  readonly id: string;
  readonly expiresAtMs: number;
  /** Known only of links that this page has made. */
  readonly url?: string;
}

const msOf = (time: Timestamp | undefined): number => (time ? timestampMs(time) : 0);

/** Makes, copies and revokes links by which the owner of a phone pairs the session. */
export const PairingLinks = ({ session }: { session: string }) => {
  const [links, setLinks] = useState<readonly Link[]>([]);
  const [fault, setFault] = useState("");
  useEffect(() => {
    const closed = new AbortController();
    authClient.listPairingLinks({ session }, { signal: closed.signal }).then(
      ({ links: listed }) => setLinks(listed.map(({ id, expiresAt }) => ({ id, expiresAtMs: msOf(expiresAt) }))),
      (error: unknown) => !closed.signal.aborted && setFault(messageOf(error)),
    );
    return () => closed.abort();
  }, [session]);
  async function make(): Promise<void> {
    const { id, url, expiresAt } = await authClient.createPairingLink({ session });
    const absolute = new URL(url.replace(/^\//, ""), baseUrl).href;
    setLinks((known) => [{ id, expiresAtMs: msOf(expiresAt), url: absolute }, ...known]);
  }
  async function revoke(id: string): Promise<void> {
    await authClient.revokePairingLink({ session, id });
    setLinks((known) => known.filter((link) => link.id !== id));
  }
  const valid = links.filter(({ expiresAtMs }) => expiresAtMs > currentMs.value);
  return html`
    <section class="links" aria-labelledby="links-title">
      <h3 id="links-title">Pairing link</h3>
      <p class="hint">For the owner of the phone: the link shows this pairing and nothing else, works once, and expires.</p>
      ${h(ActionButton, { label: "Make a pairing link", action: make, onFault: setFault })}
      <p class="fault" role="alert">${fault}</p>
      <ul>
        ${valid.map(
          ({ id, url, expiresAtMs }) => html`
            <li key=${id}>
              ${url && html`<input readonly aria-label="Pairing link" value=${url} onFocus=${selectAll} />`}
              <span class="hint">Valid for ${formatDuration(expiresAtMs - currentMs.value)}</span>
              ${url && h(ActionButton, { label: "Copy link", action: () => copyText(url), onFault: setFault })}
              ${h(ActionButton, { label: "Revoke link", kind: "danger", action: () => revoke(id), onFault: setFault })}
            </li>
          `,
        )}
      </ul>
    </section>
  `;
};

const selectAll = ({ currentTarget }: { currentTarget: HTMLInputElement }) => currentTarget.select();

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { useSignal } from "@preact/signals";
import { h, html } from "htm/preact";
import { useEffect, useMemo } from "preact/hooks";
import { createPairingClient } from "../api/clients.ts";
import { messageOf } from "../api/errors.ts";
import { pause } from "../live/signals.ts";
import { Announcer } from "../ui/announcer.ts";
import { currentMs, formatTime } from "../ui/time.ts";
import { type PairingCalls, PairingPanel } from "./pairing-panel.ts";

/** Answer of the server about a link. */
type LinkState =
  | { readonly kind: "loading" }
  | { readonly kind: "invalid" }
  | { readonly kind: "failed"; readonly sentence: string }
  | { readonly kind: "valid"; readonly session: string; readonly expiresAtMs: number };

const retryMs = 2_000;

/** The page of a pairing link: the pairing of one session, for the owner of the phone. The link's token is in the fragment. */
export const PairPage = () => {
  const state = useSignal<LinkState>({ kind: "loading" });
  const { loadLink, calls } = useMemo(() => linkCalls(location.hash.slice(1)), []);
  useEffect(() => {
    const closed = new AbortController();
    void followLink(closed.signal, loadLink, (next) => {
      state.value = next;
    });
    return () => closed.abort();
  }, [state, loadLink]);
  useEffect(() => {
    document.title = "Pair WhatsApp";
  }, []);
  return html`
    <main class="pair-page">
      <h1>Pair your phone</h1>
      ${h(LinkBody, { state: state.value, calls })}
    </main>
    ${h(Announcer, {})}
  `;
};

const LinkBody = ({ state, calls }: { state: LinkState; calls: PairingCalls }) => {
  if (state.kind === "loading") return html`<p role="status">Loading …</p>`;
  if (state.kind === "failed") return html`<p class="fault" role="alert">${state.sentence} Trying again …</p>`;
  if (state.kind === "invalid") {
    return html`<p role="alert">This link is no longer valid: it has expired, has been used, or was revoked. Ask for a new one.</p>`;
  }
  return html`
    <p>With this code WhatsApp on your phone is linked to <strong>${state.session}</strong>.</p>
    ${h(PairingPanel, { session: state.session, calls })}
    ${currentMs.value < state.expiresAtMs && html`<p class="hint">The link is valid until ${formatTime(state.expiresAtMs)}.</p>`}
  `;
};

/** Returns the calls that a link allows. */
function linkCalls(token: string) {
  const client = createPairingClient(token);
  const calls: PairingCalls = {
    openQrStream: (session, signal) => client.qrStream({ session }, { signal }),
    requestCode: async (session, phoneNumber) => (await client.requestCode({ session, phoneNumber })).code,
    refusal: "This link is no longer valid: it has expired, has been used, or was revoked. Ask for a new one.",
  };
  return { loadLink: (signal: AbortSignal) => client.getPairingLink({}, { signal }), calls };
}

async function followLink(
  signal: AbortSignal,
  load: ReturnType<typeof linkCalls>["loadLink"],
  onChange: (state: LinkState) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const { session, expiresAt } = await load(signal);
      return onChange({ kind: "valid", session, expiresAtMs: expiresAt ? timestampMs(expiresAt) : 0 });
    } catch (error) {
      if (signal.aborted) return;
      if (ConnectError.from(error).code === Code.Unauthenticated) return onChange({ kind: "invalid" });
      onChange({ kind: "failed", sentence: messageOf(error) });
      await pause(retryMs, signal);
    }
  }
}

import { h, html } from "htm/preact";
import { useEffect, useMemo } from "preact/hooks";
import {
  type QrStreamResponse_Outcome as Outcome,
  type QrStreamResponse,
  QrStreamResponse_Outcome_Result as Result,
} from "../../../gen/sessiond/v1/auth_service_pb.js";
import { announce } from "../ui/announcer.ts";
import { currentMs } from "../ui/time.ts";
import { reasonWords } from "../words.ts";
import { PairingCodeForm } from "./pairing-code-form.ts";
import { PairingFeed, type PairingState, type ShownCode } from "./pairing-feed.ts";

/** Calls that a pairing needs. The page of a pairing link makes them by its token. */
export interface PairingCalls {
  readonly openQrStream: (session: string, signal: AbortSignal) => AsyncIterable<QrStreamResponse>;
  readonly requestCode: (session: string, phoneNumber: string) => Promise<string>;
  /** Text for the time when the server no longer shows the code. */
  readonly refusal: string;
}

/** Shows the code to scan, its time and number, the pairing code as an alternative, and the outcome. */
export const PairingPanel = ({ session, calls }: { session: string; calls: PairingCalls }) => {
  const feed = useMemo(() => new PairingFeed((signal) => calls.openQrStream(session, signal)), [session, calls]);
  useEffect(() => {
    const closed = new AbortController();
    void feed.run(closed.signal);
    return () => closed.abort();
  }, [feed]);
  const state = feed.state.value;
  useEffect(() => announce(textOf(state, calls.refusal)), [state]);
  const isOpen = !["outcome", "stopped", "refused"].includes(state.kind);
  return html`
    <div class="pairing">
      ${state.kind === "code" ? h(Code, { code: state }) : html`<div class="qr placeholder" data-kind=${state.kind}>${textOf(state, calls.refusal)}</div>`}
      ${isOpen && h(PairingCodeForm, { code: feed.pairingCode, request: (phone: string) => calls.requestCode(session, phone) })}
    </div>
  `;
};

const Code = ({ code }: { code: ShownCode }) => {
  const leftMs = Math.max(0, code.expiresAtMs - currentMs.value);
  const seconds = Math.ceil(leftMs / 1_000);
  return html`
    <div class="qr"><img src=${code.picture} alt="QR code to scan with WhatsApp" width="264" height="264" /></div>
    <p class="serial">Code ${code.serial} of ${code.total}, valid for <span class="seconds">${seconds}</span> s</p>
    <progress max=${code.expiresAtMs - code.issuedAtMs} value=${leftMs} aria-label="Time left"></progress>
    <p class="hint">On the phone: WhatsApp → Linked devices → Link a device.</p>
  `;
};

function textOf(state: PairingState, refusal: string): string {
  switch (state.kind) {
    case "code":
      return `Code ${state.serial} of ${state.total}`;
    case "waiting":
      return "Waiting for a code …";
    case "expired":
      return "This code has expired. Waiting for the next one …";
    case "crowded":
      return "Other tabs show as many codes as the browser can follow. Close one of them.";
    case "refused":
      return refusal;
    case "hidden":
      return "Hidden while this tab is in the background.";
    case "lost":
      return "Connection lost. Trying again …";
    case "stopped":
      return "The session is stopped.";
    case "outcome":
      return outcomeText(state.outcome);
  }
}

function outcomeText({ result, me, reason }: Outcome): string {
  if (result === Result.PAIRED) {
    const account = [me?.id.replace(/^(\d+)@c\.us$/, "+$1"), me?.pushName].filter(Boolean).join(" · ");
    return `Paired with ${account}.`;
  }
  if (result === Result.TIMED_OUT) return "Nobody scanned a code in time.";
  return `The pairing failed: ${reasonWords[reason]}.`;
}

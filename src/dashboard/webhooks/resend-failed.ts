import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { h, html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import {
  WebhookDelivery_State as DeliveryState,
  WebhookEndpoint_State as EndpointState,
  type WebhookDelivery,
} from "../../../gen/sessiond/v1/webhook_pb.js";
import { webhookClient } from "../api/clients.ts";
import { messageOf } from "../api/errors.ts";
import { serverNowMs } from "../api/server-clock.ts";
import { ActionButton } from "../ui/action-button.ts";
import { announce } from "../ui/announcer.ts";
import { Modal } from "../ui/modal.ts";
import { loadPages } from "../ui/pages.ts";
import type { DeliveryFilter } from "./delivery-list.ts";

/** Failed deliveries are counted up to this number. */
const maxCounted = 5_000;
const pageSize = 500;

const periods = { "": "Whenever", "3600000": "In the last hour", "86400000": "In the last day" } as const;

type ResendFilter = Omit<DeliveryFilter, "state">;

/** Failed deliveries by whether they can be sent again. */
interface Count {
  readonly resendable: number;
  /** Number of those whose endpoint is disabled or removed. */
  readonly others: number;
  readonly isComplete: boolean;
}

interface Props {
  readonly filter: ResendFilter;
  readonly onChange: () => void;
}

/** Sends all failed deliveries that pass a filter again, after it has said how many there are. */
export const ResendFailed = ({ filter, onChange }: Props) => {
  const [isOpen, setOpen] = useState(false);
  const [result, setResult] = useState("");
  return html`
    <button type="button" disabled=${isOpen} onClick=${() => setOpen(true)}>Resend all failed …</button>
    ${result && html`<span class="outcome">${result}</span>`}
    ${
      isOpen &&
      h(ResendDialog, {
        filter,
        onClose: () => setOpen(false),
        onResent: (resent: number) => {
          const text = resent === 1 ? "1 delivery is sent again." : `${resent} deliveries are sent again.`;
          setResult(text);
          announce(text);
          onChange();
        },
      })
    }
  `;
};

interface DialogProps {
  readonly filter: ResendFilter;
  readonly onClose: () => void;
  readonly onResent: (resent: number) => void;
}

const ResendDialog = ({ filter, onClose, onResent }: DialogProps) => {
  const [period, setPeriod] = useState("");
  const [count, setCount] = useState<Count>();
  const [fault, setFault] = useState("");
  const { session, endpoint, url } = filter;
  useEffect(() => {
    const closed = new AbortController();
    setCount(undefined);
    setFault("");
    countFailed(filter, sinceMsOf(period), closed.signal).then(setCount, (error: unknown) => {
      if (!closed.signal.aborted) setFault(messageOf(error));
    });
    return () => closed.abort();
  }, [session, endpoint, url, period]);
  async function resend(): Promise<void> {
    const since = period === "" ? {} : { since: timestampFromMs(sinceMsOf(period)) };
    const { resent } = await webhookClient.resendFailed({ session, endpoint, url, ...since });
    onClose();
    onResent(resent);
  }
  return h(
    Modal,
    { title: "Resend failed deliveries?", onClose },
    html`
      <p>${scopeText(filter)}</p>
      <label>
        Given up
        <select value=${period} onChange=${({ currentTarget }: { currentTarget: HTMLSelectElement }) => setPeriod(currentTarget.value)}>
          ${Object.entries(periods).map(([value, words]) => html`<option value=${value}>${words}</option>`)}
        </select>
      </label>
      <p role="status">${count === undefined ? fault === "" && "Counting …" : countText(count)}</p>
      <p class="fault" role="alert">${fault}</p>
      <div class="actions">
        ${h(ActionButton, { label: "Resend", kind: "primary", isDisabled: !count?.resendable, action: resend, onFault: setFault })}
        <button type="button" onClick=${onClose}>Cancel</button>
      </div>
    `,
  );
};

const sinceMsOf = (period: string): number => (period === "" ? 0 : serverNowMs() - Number(period));

function scopeText({ session, endpoint, url }: ResendFilter): string {
  const parts = [
    session === "" ? "Of all sessions" : `Of the session ${session}`,
    endpoint && `to the endpoint ${endpoint}`,
    url && `to URLs with "${url}"`,
  ];
  return `${parts.filter(Boolean).join(", ")}.`;
}

function countText({ resendable, others, isComplete }: Count): string {
  const atLeast = isComplete ? "" : "At least ";
  const first = `${atLeast}${resendable} ${resendable === 1 ? "delivery" : "deliveries"} will be sent again.`;
  return others === 0 ? first : `${first} ${atLeast}${others} cannot: their endpoints are disabled or removed.`;
}

async function countFailed(filter: ResendFilter, sinceMs: number, signal: AbortSignal): Promise<Count> {
  const { session, url } = filter;
  const [{ endpoints }, failed] = await Promise.all([
    webhookClient.listEndpoints({ session, url, state: EndpointState.DISABLED }, { signal }),
    loadPages(maxCounted, pageSize, async (page) => {
      const request = { ...filter, state: DeliveryState.FAILED, ...page };
      const { deliveries, nextPageToken } = await webhookClient.listDeliveries(request, { signal });
      return { items: deliveries, nextPageToken };
    }),
  ]);
  const disabled = new Set(endpoints.map(({ session: owner, id }) => `${owner} ${id}`));
  const wanted = failed.items.filter(({ settledAt }) => settledAt !== undefined && timestampMs(settledAt) >= sinceMs);
  const canResend = (one: WebhookDelivery) => one.url !== "" && !disabled.has(`${one.session} ${one.endpointId}`);
  const resendable = wanted.filter(canResend).length;
  return { resendable, others: wanted.length - resendable, isComplete: !failed.hasMore };
}

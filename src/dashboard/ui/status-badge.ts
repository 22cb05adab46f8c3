import { html } from "htm/preact";
import { Session_Status as Status } from "../../../gen/sessiond/v1/session_pb.js";
import { statusWords } from "../words.ts";

/** Shows a status by word, shape and colour. */
export const StatusBadge = ({ status }: { status: Status }) => {
  const { label, shape } = statusWords[status];
  return html`<span class="status" data-status=${Status[status]}><span aria-hidden="true">${shape}</span> ${label}</span>`;
};

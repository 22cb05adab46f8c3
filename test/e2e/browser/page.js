// Example of a web page that pairs a phone and follows the session's status. It needs no bundler.
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { AuthService } from "/gen/sessiond/v1/auth_service_pb.js";
import { EventService } from "/gen/sessiond/v1/event_service_pb.js";
import { Session_Status as Status } from "/gen/sessiond/v1/session_pb.js";
import { SessionService } from "/gen/sessiond/v1/session_service_pb.js";

const query = new URLSearchParams(location.search);
const baseUrl = query.get("server") ?? location.origin;
const session = query.get("session") ?? "default";
const key = query.get("key") ?? "";

const withKey = (next) => (req) => {
  req.header.set("x-api-key", key);
  return next(req);
};
const createTransport = query.get("protocol") === "grpc-web" ? createGrpcWebTransport : createConnectTransport;
const transport = createTransport({ baseUrl, interceptors: [withKey] });
const sessions = createClient(SessionService, transport);
const auth = createClient(AuthService, transport);
const events = createClient(EventService, transport);

/** Adds a line to a list. */
function tell(list, text) {
  const line = document.createElement("li");
  line.textContent = text;
  document.getElementById(list).append(line);
}

/** Shows each code until a phone scans one. */
async function showQr() {
  const image = document.getElementById("qr");
  const about = document.getElementById("about");
  for await (const { item } of auth.qrStream({ session })) {
    if (item.case === "qr") {
      const { png, value, serial, remaining } = item.value;
      image.src = URL.createObjectURL(new Blob([png], { type: "image/png" }));
      image.dataset.value = value;
      about.textContent = `Code ${serial}; ${remaining} to come`;
    } else if (item.case === "outcome") {
      about.textContent = `Paired with ${item.value.me?.id ?? "nobody"}`;
    }
  }
}

/** Lists each status until the session is WORKING. */
async function followStatus() {
  for await (const { status } of sessions.statusStream({ session, until: [Status.WORKING] })) {
    if (status !== Status.STATUS_UNSPECIFIED) tell("statuses", Status[status]);
  }
}

/** Does the same with EventSource. That cannot send headers, so a ticket replaces the key. */
async function followEvents(afterSeq = "0") {
  const { ticket } = await events.createStreamTicket({});
  const source = new EventSource(
    `${baseUrl}/api/sessions/${session}/status-stream?ticket=${ticket}&afterSeq=${afterSeq}`,
  );
  let lastSeq = afterSeq;
  source.onmessage = ({ data, lastEventId }) => {
    lastSeq = lastEventId;
    const { kind, status } = JSON.parse(data);
    if (kind === "KIND_HEARTBEAT") return;
    tell("events", `${lastEventId} ${status}`);
    if (status === "WORKING") source.close();
  };
  source.onerror = () => {
    // EventSource reconnects at its position by itself, until its ticket expires.
    if (source.readyState === EventSource.CLOSED) followEvents(lastSeq);
  };
}

try {
  if (query.get("watch") === "events") await followEvents();
  else {
    await sessions.createSession({ name: session });
    await Promise.all([showQr(), followStatus(), followEvents()]);
  }
  document.body.dataset.done = "yes";
} catch (error) {
  document.body.dataset.error = String(error);
}

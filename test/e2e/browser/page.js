// An example: what a web page needs to pair a phone and to follow what becomes of the session. Nothing has to be bundled.
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

/** Shows each code until a phone takes one. */
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

/** Lists each status until the session works. */
async function followStatus() {
  for await (const { status } of sessions.statusStream({ session, until: [Status.WORKING] })) {
    if (status !== Status.STATUS_UNSPECIFIED) tell("statuses", Status[status]);
  }
}

/** The same by EventSource, which sends no headers: a ticket stands for the key. */
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
    // EventSource comes back by itself where it was, but not once its ticket is of no more use.
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

import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";

// Load for calls.ts in a process of its own, so that its CPU time is not counted. Its parent sends commands: "open"
// opens connections, "start" repeats the request on them until "stop", "close" closes them.

/** One request that is repeated, and how. */
export type Load =
  | { readonly over: "http/1.1"; readonly port: number; readonly bytes: Uint8Array }
  | {
      readonly over: "h2c";
      readonly port: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: Uint8Array;
    };

/** Command to the load process. */
export type LoadCommand =
  | { readonly type: "open"; readonly load: Load }
  | { readonly type: "start" | "stop" | "close" };

/** Requests at the same time. */
const parallel = 32;
const connectionsOfHttp2 = 4;

/** Open connections of one load. */
interface Connections {
  /** Calls once. Each of the `parallel` lanes has at most one call at a time. */
  call(lane: number): Promise<void>;
  close(): Promise<void>;
}

async function openHttp1(port: number, bytes: Uint8Array): Promise<Connections> {
  const sockets = await Promise.all(
    Array.from({ length: parallel }, async () => {
      const socket = connectTcp({ port, host: "127.0.0.1", noDelay: true });
      await once(socket, "connect");
      return socket;
    }),
  );
  return {
    async call(lane) {
      const socket = sockets[lane];
      if (!socket) return;
      socket.write(bytes);
      await readAnswer(socket);
    },
    async close() {
      await Promise.all(sockets.map((socket) => once(socket.destroy(), "close")));
    },
  };
}

const headEnd = Buffer.from("\r\n\r\n");

/** Resolves when a whole 200 with a Content-Length or chunks has been read. */
function readAnswer(socket: Socket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let read: Buffer = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    read = read.length === 0 ? chunk : Buffer.concat([read, chunk]);
    const end = read.indexOf(headEnd);
    if (end < 0) return;
    const head = read.toString("latin1", 0, end);
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
    const isWhole =
      length === undefined
        ? read.toString("latin1", read.length - 5) === "0\r\n\r\n"
        : read.length >= end + 4 + Number(length);
    if (!isWhole) return;
    stop();
    if (head.startsWith("HTTP/1.1 200 ")) resolve();
    else reject(new Error(`a call was answered with ${read}`));
  };
  const onClose = () => {
    stop();
    reject(new Error("the server closed a connection"));
  };
  const stop = () => socket.off("data", onData).off("close", onClose);
  socket.on("data", onData).on("close", onClose);
  return promise;
}

async function openHttp2(
  port: number,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
): Promise<Connections> {
  const sessions = await Promise.all(
    Array.from({ length: connectionsOfHttp2 }, async () => {
      const session = connectHttp2(`http://127.0.0.1:${port}`);
      await once(session, "remoteSettings");
      return session;
    }),
  );
  return {
    async call(lane) {
      const session = sessions[lane % sessions.length];
      if (session) await callHttp2(session, headers, body);
    },
    async close() {
      const closed = sessions.map((session) => once(session, "close"));
      for (const session of sessions) session.destroy();
      await Promise.all(closed);
    },
  };
}

/** Resolves when a whole 200 has been read; with gRPC only if its status is OK. */
function callHttp2(
  session: ClientHttp2Session,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stream = session.request(headers);
  let status: unknown;
  let grpcStatus: unknown = "0";
  stream.on("response", (answer) => {
    status = answer[":status"];
    grpcStatus = answer["grpc-status"] ?? grpcStatus;
  });
  stream.on("trailers", (trailers) => {
    grpcStatus = trailers["grpc-status"] ?? grpcStatus;
  });
  stream.on("error", reject);
  stream.on("end", () => {
    if (status === 200 && grpcStatus === "0") resolve();
    else reject(new Error(`a call was answered with ${status}, gRPC status ${grpcStatus}`));
  });
  stream.resume();
  stream.end(body);
  return promise;
}

let connections: Connections | undefined;
let runs = false;
let running: Promise<number[]> | undefined;

/** Calls again and again until "stop". Returns the number of calls that were answered. */
async function repeat(lane: number): Promise<number> {
  let answered = 0;
  for (; runs; answered += 1) await connections?.call(lane);
  return answered;
}

/** Obeys a command. Returns the number of calls that were answered until "stop". */
async function obey(command: LoadCommand): Promise<number> {
  switch (command.type) {
    case "open":
      connections = await open(command.load);
      return 0;
    case "start":
      runs = true;
      running = Promise.all(Array.from({ length: parallel }, (_, lane) => repeat(lane)));
      return 0;
    case "stop":
      runs = false;
      return ((await running) ?? []).reduce((sum, answered) => sum + answered, 0);
    case "close":
      await connections?.close();
      return 0;
  }
}

function open(load: Load): Promise<Connections> {
  return load.over === "h2c" ? openHttp2(load.port, load.headers, load.body) : openHttp1(load.port, load.bytes);
}

process.on("message", (command: LoadCommand) => {
  obey(command).then((answered) => process.send?.({ answered }));
});
process.on("disconnect", () => process.exit());

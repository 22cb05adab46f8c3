import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { HttpRequest, HttpResponse } from "../exchange.ts";

/** What a connection is for. "tcp" is the one under a TLS connection, which is known as a connection of its own. */
export type ConnectionRole = "tcp" | "new" | "http1" | "http2";

/** How long an HTTP/2 session is borne with. */
export type SessionPatience = {
  /** Without any stream. */
  idleSessionTimeoutMs: number;
  /** Between two pings. */
  pingIntervalMs: number;
  /** From a ping until its acknowledgement. */
  pingTimeoutMs: number;
};

/** Knows every open connection and whether it is at work, so that a server can close without cutting answers off. */
export type Connections = {
  /** Takes note of a socket until it closes. */
  add(socket: Socket, role: ConnectionRole): void;
  /** Changes the role of a socket that was added before. */
  setRole(socket: Socket, role: ConnectionRole): void;
  /** Takes note of an HTTP/2 session. Closes it once it has been without a stream for too long, and ends it when its peer is dead. */
  addSession(session: ServerHttp2Session, patience: SessionPatience): void;
  /** A request has come; its connection is at work until `res` closes. */
  begin(req: HttpRequest, res: HttpResponse): void;
  /** Ends idle connections now, and the others after their last answer. */
  drain(): void;
  /** Ends all connections now. */
  destroy(): void;
};

/** An empty set of connections. */
export function createConnections(): Connections {
  const sockets = new Map<Socket, { role: ConnectionRole; answers: number }>();
  const sessions = new Set<ServerHttp2Session>();
  let draining = false;

  return {
    add(socket, role) {
      sockets.set(socket, { role, answers: 0 });
      socket.once("close", () => sockets.delete(socket));
    },

    setRole(socket, role) {
      const state = sockets.get(socket);
      if (state !== undefined) state.role = role;
    },

    addSession(session, patience) {
      sessions.add(session);
      session.once("close", () => sessions.delete(session));
      closeWhenIdle(session, patience.idleSessionTimeoutMs);
      endWhenDead(session, patience);
    },

    begin(req, res) {
      if ("stream" in res) return;
      const { socket } = req;
      const state = sockets.get(socket);
      if (state === undefined) return;
      state.answers += 1;
      if (draining) res.setHeader("Connection", "close");
      res.once("close", () => {
        state.answers -= 1;
        if (draining && state.answers === 0) socket.destroySoon();
      });
    },

    drain() {
      draining = true;
      for (const session of sessions) session.close();
      for (const [socket, { role, answers }] of sockets) {
        if (role === "new") socket.destroy();
        else if (role === "http1" && answers === 0) socket.destroySoon();
      }
    },

    destroy() {
      for (const session of sessions) session.destroy();
      for (const socket of sockets.keys()) socket.destroy();
    },
  };
}

function closeWhenIdle(session: ServerHttp2Session, idleTimeoutMs: number): void {
  let streams = 0;
  session.on("stream", (stream) => {
    streams += 1;
    stream.once("close", () => {
      streams -= 1;
    });
  });
  // A long quiet stream is no reason to hang up; having none for so long is.
  session.setTimeout(idleTimeoutMs, () => {
    if (streams === 0) session.close();
  });
}

/** Pings a peer: who is alive must answer, and at once (RFC 9113, section 6.7). TCP alone takes many minutes to tell. */
function endWhenDead(session: ServerHttp2Session, { pingIntervalMs, pingTimeoutMs }: SessionPatience): void {
  let giveUp: NodeJS.Timeout | undefined;
  const ping = () => {
    if (giveUp !== undefined || session.destroyed) return;
    const timer = setTimeout(() => {
      // A server that was busy itself first reads what has come meanwhile.
      setImmediate(() => {
        if (giveUp === timer) session.destroy();
      });
    }, pingTimeoutMs).unref();
    giveUp = timer;
    session.ping(() => {
      clearTimeout(timer);
      giveUp = undefined;
    });
  };
  const timer = setInterval(ping, pingIntervalMs).unref();
  session.once("close", () => {
    clearInterval(timer);
    clearTimeout(giveUp);
  });
}

import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { HttpRequest, HttpResponse } from "./exchange.ts";

/** What a connection is for. "tcp" is the one under a TLS connection, which is known as a connection of its own. */
export type ConnectionRole = "tcp" | "new" | "http1" | "http2";

/** Knows every open connection and whether it is at work, so that a server can close without cutting answers off. */
export type Connections = {
  /** Takes note of a socket until it closes. */
  add(socket: Socket, role: ConnectionRole): void;
  /** Changes the role of a socket that was added before. */
  setRole(socket: Socket, role: ConnectionRole): void;
  /** Takes note of an HTTP/2 session, and closes it once it has been without a stream for `idleTimeoutMs`. */
  addSession(session: ServerHttp2Session, idleTimeoutMs: number): void;
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

    addSession(session, idleTimeoutMs) {
      sessions.add(session);
      session.once("close", () => sessions.delete(session));
      closeWhenIdle(session, idleTimeoutMs);
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

import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { HttpRequest, HttpResponse } from "../exchange.ts";

/** Use of a connection. "tcp" is the raw connection under a TLS connection, which has an entry of its own. */
export type ConnectionRole = "tcp" | "new" | "http1" | "http2";

/** Timeouts of an HTTP/2 session. */
export interface SessionTimeouts {
  /** Longest time without a stream; 0 for no limit. */
  readonly idleSessionTimeoutMs: number;
  /** Time between two pings. */
  readonly pingIntervalMs: number;
  /** Longest time from a ping to its acknowledgement. */
  readonly pingTimeoutMs: number;
}

/** The open connections of a server and their unfinished answers, so that the server can close without cutting answers off. */
export interface Connections {
  /** Tracks a socket until it closes. */
  add(socket: Socket, role: ConnectionRole): void;
  /** Changes the role of a tracked socket. */
  setRole(socket: Socket, role: ConnectionRole): void;
  /** Tracks an HTTP/2 session. Closes it after its idle timeout, and destroys it when its peer stops answering pings. */
  addSession(session: ServerHttp2Session, timeouts: SessionTimeouts): void;
  /** Marks the connection of a request as busy until `res` closes. */
  begin(req: HttpRequest, res: HttpResponse): void;
  /** Ends idle connections now, and busy ones after their last answer. */
  drain(): void;
  /** Ends every connection now. */
  destroy(): void;
}

/** Creates an empty set of connections. */
export function createConnections(): Connections {
  const sockets = new Map<Socket, { role: ConnectionRole; answers: number }>();
  const sessions = new Set<ServerHttp2Session>();
  let isDraining = false;

  return {
    add(socket, role) {
      sockets.set(socket, { role, answers: 0 });
      socket.once("close", () => sockets.delete(socket));
    },

    setRole(socket, role) {
      const state = sockets.get(socket);
      if (state !== undefined) state.role = role;
    },

    addSession(session, timeouts) {
      sessions.add(session);
      session.once("close", () => sessions.delete(session));
      closeWhenIdle(session, timeouts.idleSessionTimeoutMs);
      destroyWhenDead(session, timeouts);
    },

    begin(req, res) {
      if ("stream" in res) return;
      const { socket } = req;
      const state = sockets.get(socket);
      if (state === undefined) return;
      state.answers += 1;
      if (isDraining) res.setHeader("Connection", "close");
      res.on("close", () => {
        state.answers -= 1;
        if (isDraining && state.answers === 0) socket.destroySoon();
      });
    },

    drain() {
      isDraining = true;
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
  // The timeout also fires for a session whose streams are quiet; only one without streams is closed.
  session.setTimeout(idleTimeoutMs, () => {
    if (streams === 0) session.close();
  });
}

/** Pings a peer, which must answer at once (RFC 9113, section 6.7), and destroys its session if it does not. TCP alone takes minutes. */
function destroyWhenDead(session: ServerHttp2Session, { pingIntervalMs, pingTimeoutMs }: SessionTimeouts): void {
  let giveUp: NodeJS.Timeout | undefined;
  const ping = () => {
    if (giveUp !== undefined || session.destroyed) return;
    const timer = setTimeout(() => {
      // If this server was busy, the acknowledgement may be waiting to be read.
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

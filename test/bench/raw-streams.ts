import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { StatusStreamRequestSchema } from "../../gen/sessiond/v1/session_service_pb.js";

/** Streams on one connection. */
const streamsEach = 250;
const path = "/sessiond.v1.SessionService/StatusStream";

/** StatusStreams over gRPC with a minimal client, so that the measurement is of the server. */
export class RawStreams {
  readonly #sessions: ClientHttp2Session[] = [];
  readonly streams: ClientHttp2Stream[] = [];

  /**
   * Opens `count` streams of a session and resolves when each has its first item. `onItem` is called for later items.
   */
  async open(
    baseUrl: string,
    session: string,
    count: number,
    onItem: (stream: number) => void = () => {},
  ): Promise<void> {
    const message = toBinary(StatusStreamRequestSchema, create(StatusStreamRequestSchema, { session }));
    const frame = Buffer.concat([Buffer.alloc(5), message]);
    frame.writeUInt32BE(message.byteLength, 1);
    for (let opened = 0; opened < count; opened += streamsEach) {
      const connection = connect(baseUrl);
      connection.on("error", () => {});
      this.#sessions.push(connection);
      await once(connection, "remoteSettings");
      const size = Math.min(streamsEach, count - opened);
      await Promise.all(Array.from({ length: size }, (_, n) => this.#openOne(connection, frame, opened + n, onItem)));
    }
  }

  #openOne(connection: ClientHttp2Session, frame: Buffer, n: number, onItem: (stream: number) => void): Promise<void> {
    const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
    const stream = connection.request(headers);
    this.streams.push(stream);
    stream.end(frame);
    return new Promise((resolve, reject) => {
      stream.on("error", reject);
      stream.once("data", () => {
        resolve();
        stream.on("data", () => onItem(n));
      });
    });
  }

  /** Closes all streams. */
  async close(): Promise<void> {
    const closed = this.#sessions.map((session) => once(session, "close"));
    for (const session of this.#sessions) session.destroy();
    await Promise.all(closed);
    this.#sessions.length = 0;
    this.streams.length = 0;
  }
}

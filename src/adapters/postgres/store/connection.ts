import { Client, type ClientConfig, type QueryResultRow } from "pg";
import { endsConnection, NotConnected } from "./failures.ts";
import { parserOf } from "./parsers.ts";

/** A value that a statement can take. */
export type Parameter = string | number | bigint | boolean | null | Uint8Array | readonly string[] | readonly bigint[];

/** The server, database and login. */
export interface Target {
  readonly url: string;
}

/** Options of a connection. */
export interface ConnectionOptions {
  readonly target: Target;
  /** Time after which a statement counts as failed, ms. */
  readonly timeoutMs: number;
}

/** Name under which PostgreSQL lists the connections. */
export const applicationName = "sessiond";

/** Shorter than the pause that users notice: an attempt that began in an outage may hang until then. */
const connectTimeoutMs = 2_500;
/** Time that an orderly end may take, ms. */
const endTimeoutMs = 1_000;
/** The server notices within 25 s that a machine is gone, and frees its locks. */
export const serverOptions = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3";

/** One connection, made when it is needed and again after a failure. Statements run one after another. */
export class Connection {
  readonly #config: ClientConfig;
  #client: Promise<Client> | undefined;
  #isClosed = false;
  /** The statement before the next one. */
  #former: Promise<unknown> = Promise.resolve();
  /** Number of statements that are not answered. */
  #waiting = 0;

  constructor({ target, timeoutMs }: ConnectionOptions) {
    this.#config = {
      connectionString: target.url,
      application_name: applicationName,
      connectionTimeoutMillis: connectTimeoutMs,
      statement_timeout: timeoutMs,
      query_timeout: timeoutMs + 1_000,
      keepAlive: true,
      options: serverOptions,
      // As text: in pg 8.23 the binary format reads bytes as UTF-8, which changes them.
      types: { getTypeParser: (oid: number) => parserOf(oid) },
    };
  }

  /**
   * Runs a statement and returns its rows. Rejects with the error of PostgreSQL or of the connection. Calls `sending` first if it is
   * connected: until then, nothing can have been carried out.
   */
  query<Row extends QueryResultRow>(
    text: string,
    values: readonly Parameter[] = [],
    sending?: () => void,
  ): Promise<Row[]> {
    // The driver's own queue would count the wait as a part of the statement's time.
    this.#waiting += 1;
    const rows = this.#former
      .then(() => this.#run<Row>(text, values, sending))
      .finally(() => {
        this.#waiting -= 1;
      });
    this.#former = rows.catch(() => {});
    return rows;
  }

  async #run<Row extends QueryResultRow>(
    text: string,
    values: readonly Parameter[],
    sending: (() => void) | undefined,
  ): Promise<Row[]> {
    if (this.#isClosed) throw new Error("the store is closed");
    this.#client ??= this.#connect();
    const connecting = this.#client;
    try {
      const client = await connecting;
      sending?.();
      const { rows } = await client.query<Row>({ text, values: [...values] });
      return rows;
    } catch (error) {
      if (endsConnection(error)) this.#drop(connecting);
      throw error;
    }
  }

  /** Ends the connection until it is needed again, unless it is in use. */
  async rest(): Promise<void> {
    const connecting = this.#client;
    if (!connecting || this.#waiting > 0) return;
    this.#client = undefined;
    await connecting.then(endOrDestroy, () => {});
  }

  /** Returns the address of this end, as a host in a URL has it. Connects if needed. */
  async localAddress(): Promise<string> {
    this.#client ??= this.#connect();
    const { connection } = await this.#client;
    const socket = connection?.stream;
    const address = socket && "localAddress" in socket ? String(socket.localAddress) : "localhost";
    const plain = address.replace(/^::ffff:(?=\d+\.)/, "");
    return plain.includes(":") ? `[${plain}]` : plain;
  }

  /** Ends the connection, after the statements under way. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const client = await this.#client?.catch(() => undefined);
    this.#client = undefined;
    if (client) await endOrDestroy(client);
  }

  async #connect(): Promise<Client> {
    const client = new Client(this.#config);
    // A failure between two statements. The next one connects again.
    client.on("error", () => this.#drop(connecting));
    const connecting = client.connect().then(
      () => client,
      (error: unknown) => {
        destroy(client);
        throw new NotConnected(error);
      },
    );
    return connecting;
  }

  #drop(connecting: Promise<Client>): void {
    if (this.#client === connecting) this.#client = undefined;
    connecting.then(destroy, () => {});
  }
}

/** Ends a client in order, or at once if the server does not answer. */
async function endOrDestroy(client: Client): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, endTimeoutMs);
  await Promise.race([client.end().catch(() => {}), late]);
  clearTimeout(timer);
  destroy(client);
}

/** Closes the socket at once: a client that has timed out may never answer. */
function destroy(client: Client): void {
  client.removeAllListeners("error");
  client.on("error", () => {});
  client.connection?.stream.destroy();
}

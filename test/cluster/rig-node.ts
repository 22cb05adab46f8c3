import { RestClient } from "../e2e/rest-client.ts";
import { ServerProcess } from "../e2e/server-process.ts";
import { openLink, type TcpLink } from "../support/tcp-link.ts";

/** Options of a node of a rig. */
export interface RigNodeOptions {
  readonly name: string;
  /** URL of the database, without a link. */
  readonly storeUrl: string;
  /** URL of the emulated WhatsApp. */
  readonly whatsappUrl: string;
  /** Factor of the cluster's times. */
  readonly timeScale: number;
  /** False if nothing goes through its links. */
  readonly hasLinks: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

const entry = new URL("./node-main.ts", import.meta.url).pathname;

/** A process of sessiond, whose ways to PostgreSQL and from its peers go through links. */
export class RigNode {
  readonly name: string;
  readonly process: ServerProcess;
  /** Its way to PostgreSQL. */
  readonly store: TcpLink;
  /** The way of other nodes to it. Clients use the port itself. */
  readonly peers: TcpLink;
  readonly rest: RestClient;
  /** False while its process is dead or suspended, so that no client can use it. */
  isUp = true;

  private constructor(name: string, process: ServerProcess, store: TcpLink, peers: TcpLink) {
    this.name = name;
    this.process = process;
    this.store = store;
    this.peers = peers;
    this.rest = new RestClient(() => process.baseUrl);
  }

  static async start(options: RigNodeOptions): Promise<RigNode> {
    const { name, storeUrl, whatsappUrl, timeScale, hasLinks, env } = options;
    await using stack = new AsyncDisposableStack();
    const url = new URL(storeUrl);
    const store = await openLink(Number(url.port));
    stack.defer(() => store.close());
    url.port = String(store.port);
    let server: ServerProcess | undefined;
    const peers = await openLink(() => Number(new URL(server?.baseUrl ?? "http://127.0.0.1:1").port));
    stack.defer(() => peers.close());
    server = await ServerProcess.start(
      {
        SESSIOND_STORE: hasLinks ? url.href : storeUrl,
        SESSIOND_NODE: name,
        ...(hasLinks && { SESSIOND_NODE_URL: `http://127.0.0.1:${peers.port}` }),
        SESSIOND_NOWEB_URL: `${whatsappUrl}?node=${name}`,
        SESSIOND_CONNECTS_PER_SECOND: "200",
        SESSIOND_TEST_TIME_SCALE: String(timeScale),
        ...env,
      },
      entry,
    );
    stack.move();
    return new RigNode(name, server, store, peers);
  }

  async close(): Promise<void> {
    this.store.pass();
    this.peers.pass();
    // A test that has failed does not wait for an orderly stop.
    await this.process.kill("SIGKILL");
    await this.process.stop();
    await Promise.all([this.store.close(), this.peers.close()]);
  }
}

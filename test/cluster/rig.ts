import { WebhookInbox } from "../e2e/webhook-inbox.ts";
import { startWhatsApp, type WhatsApp } from "../emulator/whatsapp.ts";
import { type PostgresServer, startPostgres } from "../support/postgres-server.ts";
import { Audit } from "./audit.ts";
import { RigNode } from "./rig-node.ts";

/** Options of a rig. */
export interface RigOptions {
  readonly nodes: number;
  /** Factor of the cluster's times; 1 for the real ones. */
  readonly timeScale: number;
  /** False to do without the proxies whose traffic tests hold or cut, where times are measured. Default true. */
  readonly hasLinks?: boolean;
  /** Settings of PostgreSQL beside those of tests. */
  readonly postgres?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Time for a node to start again once nothing is in its way, on a machine that is busy. */
const startLimitMs = 180_000;

/** Nodes of sessiond on one PostgreSQL, with an emulated WhatsApp and a receiver of webhooks as judges. */
export class Rig implements AsyncDisposable {
  readonly timeScale: number;
  readonly postgres: PostgresServer;
  readonly whatsapp: WhatsApp;
  readonly hook: WebhookInbox;
  readonly nodes: readonly RigNode[];
  readonly audit: Audit;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    timeScale: number,
    parts: Pick<Rig, "postgres" | "whatsapp" | "hook" | "nodes" | "audit">,
    stack: AsyncDisposableStack,
  ) {
    this.timeScale = timeScale;
    this.postgres = parts.postgres;
    this.whatsapp = parts.whatsapp;
    this.hook = parts.hook;
    this.nodes = parts.nodes;
    this.audit = parts.audit;
    this.#stack = stack;
  }

  static async open({
    nodes: count,
    timeScale,
    hasLinks = true,
    postgres: settings,
    env = {},
  }: RigOptions): Promise<Rig> {
    await using stack = new AsyncDisposableStack();
    const postgres = await startPostgres(settings);
    stack.defer(() => postgres.close());
    const storeUrl = await postgres.createDatabase();
    const whatsapp = await startWhatsApp();
    stack.defer(() => whatsapp.close());
    const hook = stack.use(await WebhookInbox.open());
    const nodes: RigNode[] = [];
    stack.defer(async () => void (await Promise.all(nodes.map((node) => node.close()))));
    const start = async (n: number) => {
      nodes.push(await RigNode.start({ name: `n${n}`, storeUrl, whatsappUrl: whatsapp.url, timeScale, hasLinks, env }));
    };
    // The first one makes the schema.
    await start(0);
    const audit = await Audit.install(storeUrl);
    for (let n = 1; n < count; n += 1) await start(n);
    return new Rig(timeScale, { postgres, whatsapp, hook, nodes, audit }, stack.move());
  }

  /** Nodes that clients can use now. */
  get upNodes(): readonly RigNode[] {
    return this.nodes.filter(({ isUp }) => isUp);
  }

  /** Ends a node's process by a signal, and starts it again after `away`. */
  async whileDown(node: RigNode, signal: "SIGKILL" | "SIGTERM", away: () => Promise<void>): Promise<void> {
    node.isUp = false;
    await node.process.kill(signal);
    await away();
    const endMs = performance.now() + startLimitMs;
    for (;;) {
      try {
        await node.process.restart();
        break;
      } catch (error) {
        // PostgreSQL may be away.
        if (performance.now() > endMs) throw error;
      }
    }
    node.isUp = true;
  }

  /** Forgets the deliveries, the nodes' logs and the violations of earlier runs. */
  async forget(): Promise<void> {
    this.hook.taken.length = 0;
    for (const { process } of this.nodes) process.log.length = 0;
    await this.audit.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

import type { TestContext } from "node:test";
import { scaleTimings } from "../../../src/adapters/postgres/cluster/timings.ts";
import type { PostgresStore } from "../../../src/adapters/postgres/postgres-store.ts";
import type { Cluster } from "../../../src/ports/cluster.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { openLink, type TcpLink } from "../../support/tcp-link.ts";
import { emptyDatabase, type StoreDatabase } from "./databases.ts";

/** A fifth of the real times: long enough for a slow machine, short enough for a test. */
export const timings = scaleTimings(0.2);

/** A node of a test: a backend whose way to PostgreSQL goes through a link. */
export interface TestNode {
  readonly name: string;
  readonly backend: PostgresStore;
  readonly cluster: Cluster;
  readonly link: TcpLink;
}

/** Opens nodes on a database, one after another. They are closed when the test ends. */
export async function openNodes(t: TestContext, ...names: readonly string[]): Promise<TestNode[]> {
  const database = await emptyDatabase(t);
  const nodes: TestNode[] = [];
  for (const name of names) nodes.push(await openNode(t, database, name));
  return nodes;
}

/** Opens a node on a database. */
export async function openNode(
  t: TestContext,
  database: StoreDatabase,
  name: string,
  clock = new FakeClock(),
): Promise<TestNode> {
  const url = new URL(database.url);
  const link = await openLink(Number(url.port));
  t.after(() => link.close());
  url.port = String(link.port);
  const backend = await database.open(clock, { url: url.href, node: { name }, timings });
  if (!backend.cluster) throw new Error("the backend is no cluster");
  return { name, backend, cluster: backend.cluster, link };
}

/** Resolves once a condition holds, which is looked at again and again. Fails after a time limit. */
export async function until(condition: () => boolean | Promise<boolean>, limitMs = 20_000): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error("it did not come to that");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

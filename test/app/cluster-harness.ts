import type { TestContext } from "node:test";
import type { SessionManagerOptions } from "../../src/app/session-manager.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { MemoryCluster } from "../support/memory-cluster.ts";
import { openHarness, settle } from "./harness.ts";

export type Node = ReturnType<ReturnType<typeof openCluster>["open"]>;

/** Opens managers on the nodes "a", "b" and "c" of one cluster, with engines that the test controls and one fake clock. */
export function openCluster(t: TestContext) {
  const clock = new FakeClock();
  const cluster = new MemoryCluster(clock, "a", "b", "c");
  /** `hasFiles`: the sessions have files on their node's machine. */
  const open = (name: string, options: Partial<SessionManagerOptions> = {}, hasFiles = false) => {
    const { backend, standing } = cluster.node(name);
    t.after(() => standing.thaw());
    const harness = openHarness(t, { backend, ...options }, clock, hasFiles);
    /** Creates a session and starts it. */
    const create = (session = "alice") =>
      harness.manager.create({ name: session, engine: 0, config: undefined, start: true });
    return { ...harness, standing, backend, create };
  };
  /** Opens a node and lets it take on sessions. */
  const boot = async (name: string, options: Partial<SessionManagerOptions> = {}, hasFiles = false) => {
    const node = open(name, options, hasFiles);
    await node.manager.boot();
    await settle();
    return node;
  };
  return { clock, cluster, open, boot };
}

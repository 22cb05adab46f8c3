import type { Cluster } from "../ports/cluster.ts";
import type { Logger } from "../ports/system.ts";

/** Warns if several nodes share a store whose values are not sealed. One node alone may do without a key, as on LevelDB. */
export async function warnIfShared({ placement }: Pick<Cluster, "placement">, logger: Logger): Promise<void> {
  const others = (await placement.nodes()).filter(({ name, isAlive }) => isAlive && name !== placement.self);
  if (others.length === 0) return;
  logger.warn(
    { nodes: others.map(({ name }) => name) },
    "SESSIOND_SECRET_KEY is not set: whoever can read the database, or a dump of it, has the logins of all sessions and the secret by " +
      "which nodes trust each other. Set the same key on all nodes; what is stored is sealed after the next start",
  );
}

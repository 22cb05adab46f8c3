import { createHash } from "node:crypto";
import { ProcessTickets } from "../adapters/embedded/process-tickets.ts";
import { ProcessLogins } from "../adapters/node/process-logins.ts";
import { SealedTickets } from "../adapters/node/sealed-tickets.ts";
import { SignedLogins } from "../adapters/node/signed-logins.ts";
import { News } from "../api/nodes/news.ts";
import { NewsReader } from "../api/nodes/news-reader.ts";
import type { NodeList, ShownNode } from "../api/nodes/node-list.ts";
import type { Secrets } from "../config/config.ts";
import { PeerClock } from "../http/peers/peer-clock.ts";
import { Peers } from "../http/peers/peers.ts";
import { deriveProofKey } from "../http/peers/proof.ts";
import type { Backend } from "../ports/backend.ts";
import type { Cluster } from "../ports/cluster.ts";
import type { Logins } from "../ports/logins.ts";
import type { Tickets } from "../ports/tickets.ts";
import type { Tools } from "./overrides.ts";

/** This node and its connections to the others. */
export interface Nodes {
  readonly cluster: Cluster;
  readonly peers: Peers;
  /** Key that the nodes prove themselves with. */
  readonly key: Uint8Array;
  readonly clock: PeerClock;
}

/** Creates the connections to the other nodes, none of which is opened yet. Undefined for a store that only one process can use. */
export function createNodes({ cluster }: Backend, { tls }: Secrets): Nodes | undefined {
  if (cluster === undefined) return undefined;
  const key = deriveProofKey(cluster.secret);
  const clock = new PeerClock();
  return {
    cluster,
    key,
    clock,
    peers: new Peers({ self: cluster.placement.self, key, clock, certificate: tls?.cert }),
  };
}

/** Returns the nodes of the cluster; without one, this server alone. */
export function nodeListOf(
  nodes: Nodes | undefined,
  { name, version, build }: Pick<ShownNode, "name" | "version" | "build">,
): NodeList {
  if (nodes === undefined) {
    const alone = { name, url: "", version, build, isAlive: true, isDraining: false };
    return { self: name, nodes: async () => [alone] };
  }
  const { placement } = nodes.cluster;
  return { self: placement.self, nodes: () => placement.nodes() };
}

/** Stand-ins for keys and passwords, which all nodes accept, and the news that keep them so. */
export interface Access {
  readonly tickets: Tickets;
  readonly logins: Logins;
  /** News for other nodes; undefined if there can be none. */
  readonly news: News | undefined;
  /** Starts to follow the news of other nodes. Returns the function that stops it. */
  followNews(): () => void;
}

/**
 * Creates tickets and logins: signed ones for a node of a cluster, else those of this process. `keySetting` is the API key or its hash;
 * undefined if no key is needed.
 */
export function createAccess(
  nodes: Nodes | undefined,
  keySetting: string | undefined,
  { dashboardLogin }: Secrets,
  { clock, random }: Tools,
): Access {
  if (nodes === undefined) {
    const tickets = new ProcessTickets({ clock, random });
    return { tickets, logins: new ProcessLogins({ clock, random }), news: undefined, followNews: () => () => {} };
  }
  const { cluster, peers, clock: clocks } = nodes;
  const { secret, placement } = cluster;
  const news = new News(() => logins.ended());
  const proofs = createHash("sha256")
    .update(JSON.stringify([keySetting, dashboardLogin]))
    .digest();
  const logins = new SignedLogins({ clock, secret, proofs, onEnded: (login) => news.endedLogin(login) });
  const reader = new NewsReader({
    placement,
    peers,
    clock,
    onLogged: (logged) => cluster.announced(logged),
    onEndedLogin: (login) => logins.endElsewhere(login),
    onGiven: (given) => cluster.offered(given),
  });
  return {
    tickets: new SealedTickets({ clock, secret, self: placement.self, clocks }),
    logins,
    news,
    followNews() {
      const cancels = [cluster.onCommit((logged) => news.logged(logged)), cluster.onGiven((given) => news.gave(given))];
      reader.start();
      return () => {
        for (const cancel of cancels) cancel();
        reader.close();
      };
    },
  };
}

import { Counter, Gauge, type Registry } from "prom-client";

/** State of a node of a cluster, and counts since its start. */
export interface NodeFacts {
  readonly owned: number;
  readonly isFrozen: boolean;
  readonly given: number;
  readonly lost: number;
  readonly handedOver: number;
}

/** Creates the metrics of a node of a cluster, whose values are read at each scrape. */
export function createNodeInstruments(registers: Registry[]) {
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const owned = gauge("sessiond_node_sessions", "Sessions that this node runs or has loaded");
  const frozen = gauge("sessiond_node_frozen", "1 while this node cannot reach the store, and so sends nothing");
  const counters = {
    given: counter("sessiond_node_sessions_given_total", "Sessions given to this node by the cluster"),
    lost: counter("sessiond_node_sessions_lost_total", "Sessions taken from this node"),
    handedOver: counter("sessiond_node_sessions_handed_over_total", "Sessions that this node has handed over"),
  };
  return {
    update(facts: NodeFacts): void {
      owned.set(facts.owned);
      frozen.set(facts.isFrozen ? 1 : 0);
      for (const name of ["given", "lost", "handedOver"] as const) {
        counters[name].reset();
        counters[name].inc(facts[name]);
      }
    },
  };
}

import type { Cluster, GivenSession, LoggedEvents, NodeAddress } from "../../../ports/cluster.ts";
import type { Logger } from "../../../ports/system.ts";
import type { SessionJournal } from "../session-journal.ts";
import type { OpenStore } from "../store/opening.ts";
import { ArrivalQueue } from "./arrivals.ts";
import { Claims } from "./claims.ts";
import type { Membership } from "./membership.ts";
import { PostgresPlacement } from "./placement.ts";
import { PostgresSharedValues } from "./shared-values.ts";

/** This node of a cluster, which may be the only one. */
export class PostgresNode implements Cluster {
  readonly placement: PostgresPlacement;
  readonly secret: Uint8Array;
  readonly values: PostgresSharedValues;
  readonly #membership: Membership;
  readonly #arrivals = new ArrivalQueue();
  readonly #onGiven = new Set<(given: GivenSession) => void>();
  readonly #claims: Claims;
  readonly #journal: SessionJournal;
  readonly #outage: OpenStore["outage"];
  readonly #logger: Logger | undefined;

  constructor(store: OpenStore, journal: SessionJournal, logger: Logger | undefined) {
    const { membership, secret, reads, upkeep, connections } = store;
    const { leases, ownership, writers } = journal;
    const arrivals = this.#arrivals;
    this.secret = secret;
    this.values = new PostgresSharedValues(reads, store.values);
    this.#membership = membership;
    this.#journal = journal;
    this.#outage = store.outage;
    this.#logger = logger;
    this.#claims = new Claims({ membership, leases, arrivals, connection: connections.upkeep, upkeep, logger });
    const claims = this.#claims;
    leases.onNeedy = (sessions) => arrivals.add(sessions);
    const onGiven = (given: GivenSession) => {
      for (const callback of this.#onGiven) callback(given);
    };
    this.placement = new PostgresPlacement({
      membership,
      leases,
      claims,
      arrivals,
      ownership,
      writers,
      reads,
      onGiven,
    });
  }

  get standing() {
    return this.#membership.standing;
  }

  /** Begins to beat, and takes the sessions that are this node's. */
  async start(): Promise<void> {
    this.#membership.start({
      load: () => this.#journal.leases.load,
      lost: () => {
        this.#arrivals.clear();
        this.#journal.loseAll();
      },
      resumed: () => {
        this.#claims.recall().catch((error: unknown) => {
          this.#logger?.error({ err: error }, "the sessions of this node could not be read");
        });
      },
      thawed: () => this.#outage.wake(),
      met: (hasOthers, headSeq) => {
        this.#journal.solitude.observe(hasOthers);
        this.#journal.tail.announced(headSeq);
      },
      observed: (silent, hasOpen) => this.#claims.observed(silent, hasOpen),
    });
    await this.#membership.admitted();
    await this.#claims.begin();
  }

  async announce(address: NodeAddress): Promise<void> {
    await this.#membership.announce(address);
  }

  onCommit(callback: (logged: LoggedEvents) => void): () => void {
    return this.#journal.tail.onLogged(callback);
  }

  announced(logged: LoggedEvents): void {
    this.#journal.tail.told(logged);
  }

  onGiven(callback: (given: GivenSession) => void): () => void {
    this.#onGiven.add(callback);
    return () => this.#onGiven.delete(callback);
  }

  offered({ session, node }: GivenSession): void {
    const { name, isDraining, standing } = this.#membership;
    const { leases } = this.#journal;
    if (node !== name || isDraining || standing.isFrozen || leases.has(session)) return;
    const taken = leases.ensure(session).then(() => {
      // One that has to run has arrived by now.
      if (!leases.isNeedy(session)) this.#arrivals.add([session]);
    });
    // It went elsewhere, or the next look finds it.
    taken.catch(() => {});
  }

  /** Ends this node in order. Idempotent. */
  async close(): Promise<void> {
    this.#arrivals.close();
    await this.#membership.leave();
    await this.#claims.idle();
  }
}

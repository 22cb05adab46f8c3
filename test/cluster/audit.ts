import { Client } from "pg";

/**
 * Triggers that judge each write at its commit, apart from sessiond's own checks: the rows that a transaction wrote are compared with the
 * node that its entry in the journal names, and each change of an owner is recorded.
 */
const statements = [
  `CREATE SCHEMA audit
    CREATE TABLE written (txid bigint, session text, what text)
    CREATE TABLE violation (what text, session text, node integer, owner integer, at timestamptz DEFAULT clock_timestamp())
    CREATE TABLE owner (n bigint GENERATED ALWAYS AS IDENTITY, session text, node integer, epoch bigint,
      at timestamptz DEFAULT clock_timestamp())`,
  `CREATE FUNCTION audit.note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO audit.written VALUES (txid_current(), coalesce(to_jsonb(NEW) ->> 'session', to_jsonb(NEW) ->> 'name'), TG_TABLE_NAME);
      RETURN NULL;
    END $$`,
  ...["session", "credential", "chat", "event", "delivery"].map(
    (table) =>
      `CREATE TRIGGER audit AFTER INSERT OR UPDATE ON sessiond.${table} FOR EACH ROW EXECUTE FUNCTION audit.note()`,
  ),
  `CREATE FUNCTION audit.judge() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO audit.violation (what, session, node, owner)
      SELECT 'a write under a lost life', NULL, NEW.node, NULL FROM sessiond.node WHERE id = NEW.node AND (fenced OR epoch <> NEW.epoch);
      INSERT INTO audit.violation (what, session, node, owner)
      SELECT DISTINCT 'a write of another node: ' || w.what, w.session, NEW.node, l.node
      FROM audit.written AS w JOIN sessiond.lease AS l ON l.session = w.session
      WHERE w.txid = txid_current() AND l.node IS DISTINCT FROM NEW.node
        AND NOT (l.node IS NULL AND w.what IN ('event', 'delivery'))
        -- A removal makes a pending unlink, which no node owns yet.
        AND NOT (l.node IS NULL AND w.session LIKE 'unlink:%' AND l.xmin::text = (txid_current() % 4294967296)::text);
      DELETE FROM audit.written WHERE txid = txid_current();
      RETURN NULL;
    END $$`,
  "CREATE TRIGGER audit AFTER INSERT ON sessiond.journal FOR EACH ROW EXECUTE FUNCTION audit.judge()",
  `CREATE FUNCTION audit.move() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'UPDATE' AND NEW.epoch < OLD.epoch THEN
        INSERT INTO audit.violation (what, session, node, owner) VALUES ('an epoch went back', NEW.session, NEW.node, OLD.node);
      END IF;
      IF TG_OP = 'UPDATE' AND OLD.node <> NEW.node THEN
        INSERT INTO audit.violation (what, session, node, owner) VALUES ('taken without a fence', NEW.session, NEW.node, OLD.node);
      END IF;
      IF TG_OP = 'INSERT' OR NEW.node IS DISTINCT FROM OLD.node THEN
        INSERT INTO audit.owner (session, node, epoch) VALUES (NEW.session, NEW.node, NEW.epoch);
      END IF;
      RETURN NULL;
    END $$`,
  "CREATE TRIGGER audit AFTER INSERT OR UPDATE ON sessiond.lease FOR EACH ROW EXECUTE FUNCTION audit.move()",
];

/** A change of a session's owner. */
export interface OwnerChange {
  readonly session: string;
  /** Name of the new owner; null for none. */
  readonly node: string | null;
  /** Unix time, ms. */
  readonly atMs: number;
}

/** An event of the log, in the log's order. */
export interface LoggedEvent {
  readonly seq: bigint;
  readonly id: string;
  readonly session: string;
}

/** A second look at the database of a cluster, which the nodes know nothing of. */
export class Audit {
  readonly #url: string;

  private constructor(url: string) {
    this.#url = url;
  }

  /** Installs the triggers in a database with a schema. */
  static async install(url: string): Promise<Audit> {
    const audit = new Audit(url);
    for (const statement of statements) await audit.query(statement);
    return audit;
  }

  /** Writes that no node should have made. */
  async violations(): Promise<readonly string[]> {
    return (await this.query("SELECT * FROM audit.violation ORDER BY at")).map((row) => JSON.stringify(row));
  }

  async owners(): Promise<readonly OwnerChange[]> {
    return this.query(
      `SELECT o.session, n.name AS node, (extract(epoch FROM o.at) * 1000)::float8 AS "atMs"
      FROM audit.owner AS o LEFT JOIN sessiond.node AS n ON n.id = o.node ORDER BY o.n`,
    );
  }

  async events(): Promise<readonly LoggedEvent[]> {
    const rows = await this.query<{ id: string; session: string; seq: string }>(
      "SELECT id, session, seq FROM sessiond.event ORDER BY seq",
    );
    return rows.map(({ id, session, seq }) => ({ id, session, seq: BigInt(seq) }));
  }

  /** Deliveries that are pending now, by session and owner. */
  async backlog(): Promise<readonly string[]> {
    const rows = await this.query(
      `SELECT d.session, n.name AS owner, count(*) AS pending, min(d.due) AS due FROM sessiond.delivery AS d
      LEFT JOIN sessiond.lease AS l ON l.session = d.session LEFT JOIN sessiond.node AS n ON n.id = l.node GROUP BY 1, 2`,
    );
    return rows.map((row) => JSON.stringify(row));
  }

  /** Forgets the violations so far, and all changes of owners but the last one of each session. */
  async clear(): Promise<void> {
    await this.query("TRUNCATE audit.violation");
    await this.query(
      "DELETE FROM audit.owner AS o USING audit.owner AS later WHERE later.session = o.session AND later.n > o.n",
    );
  }

  /** Names of the node that owns each session; null for none. */
  async placement(): Promise<ReadonlyMap<string, string | null>> {
    const rows = await this.query<{ session: string; node: string | null }>(
      "SELECT l.session, n.name AS node FROM sessiond.lease AS l LEFT JOIN sessiond.node AS n ON n.id = l.node",
    );
    return new Map(rows.map(({ session, node }) => [session, node]));
  }

  /** Runs a statement on a connection of its own, as PostgreSQL may have been killed since the last one. */
  async query<Row extends object>(statement: string): Promise<Row[]> {
    const client = new Client({ connectionString: this.#url });
    client.on("error", () => {});
    await client.connect();
    try {
      return (await client.query<Row>(statement)).rows;
    } finally {
      await client.end();
    }
  }
}

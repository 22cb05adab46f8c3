-- Up Migration

-- Texts that are names or keys compare by their bytes, on every server. Values are sealed protobuf messages.

-- The store as a whole: one row.
CREATE TABLE sessiond.cluster (
  one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  -- The server and database in which the store was last opened; null where the server does not tell.
  home text,
  -- Known to all nodes and to nobody else, sealed; null until the first one has opened the store.
  secret bytea,
  -- Epochs of new leases begin here: no lease that was removed, or of the store before its move, had a greater one.
  lease_floor bigint NOT NULL DEFAULT 0,
  -- Raised by each life of a node that begins.
  generation bigint NOT NULL DEFAULT 0
);

-- Small values that all nodes share.
CREATE TABLE sessiond.shared_value (
  name text COLLATE "C" PRIMARY KEY,
  value bytea NOT NULL
);

-- The keys that values may be sealed with. A proof is a known text, sealed.
CREATE TABLE sessiond.seal (
  key_id text PRIMARY KEY,
  proof bytea NOT NULL,
  -- True if every value is sealed with this key.
  is_complete boolean NOT NULL DEFAULT false
);

-- The writers' lock on the log: one row, locked by each group with events. No event gets a seq up to the floor.
CREATE TABLE sessiond.log_head (
  one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
  floor bigint NOT NULL DEFAULT 0
);
INSERT INTO sessiond.log_head DEFAULT VALUES;

-- No column holds a time: nodes judge each other by their own clocks, from the changes that they see.
CREATE TABLE sessiond.node (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  -- The number of its lives: one begins with each start, and after each loss of its sessions.
  epoch bigint NOT NULL,
  -- Where other nodes reach it; empty until it listens.
  url text NOT NULL DEFAULT '',
  version text NOT NULL DEFAULT '',
  -- Raised again and again while it lives.
  beat bigint NOT NULL DEFAULT 0,
  -- The process that took it last, by a random id.
  process text,
  -- The generation of the cluster up to which it knows the other nodes. A new node waits until all know it.
  seen bigint NOT NULL DEFAULT 0,
  -- The server's process at the other end of the connection that beats.
  backend integer,
  capacity integer NOT NULL DEFAULT 0,
  load integer NOT NULL DEFAULT 0,
  draining boolean NOT NULL DEFAULT false,
  -- It said that it will be back soon, so the others wait longer.
  returns boolean NOT NULL DEFAULT false,
  -- It is dead: nothing that it sends is written, and it owns no session.
  fenced boolean NOT NULL DEFAULT true
);

-- The owner of each session, and of each pending unlink by its id. Only the owner changes the row, or the one that has fenced it.
CREATE TABLE sessiond.lease (
  session text COLLATE "C" PRIMARY KEY,
  -- Null: any node may take it.
  node integer,
  -- Raised each time a node takes it.
  epoch bigint NOT NULL DEFAULT 0,
  -- The node that is to take it.
  target integer,
  -- The only node that can run it, as its files are there.
  home integer,
  -- It is to run, or has deliveries, or is a pending unlink: a node has to take it. May be true for too long, never false too early.
  needs_owner boolean NOT NULL DEFAULT false,
  -- Weight for the node that runs it.
  weight integer NOT NULL DEFAULT 1,
  -- The end of the log when the session was last removed, with its events through there.
  removed_seq bigint
);
CREATE INDEX lease_removed ON sessiond.lease (removed_seq) WHERE removed_seq IS NOT NULL;
CREATE INDEX lease_of_node ON sessiond.lease (node) WHERE node IS NOT NULL;
CREATE INDEX lease_open ON sessiond.lease (session) WHERE node IS NULL AND needs_owner;

-- One row for each writing connection of a node. Raising its epoch waits for the write in flight and refuses all later ones.
CREATE TABLE sessiond.fence (
  node integer NOT NULL REFERENCES sessiond.node (id),
  lane text COLLATE "C" NOT NULL,
  epoch bigint NOT NULL,
  PRIMARY KEY (node, lane)
);

-- The groups written. A node that does not know if its group was written finds the answer here.
CREATE TABLE sessiond.journal (
  node integer NOT NULL,
  lane text COLLATE "C" NOT NULL,
  epoch bigint NOT NULL,
  grp bigint NOT NULL,
  -- The log's end before the group; null for a group without events.
  after_seq bigint,
  -- The node's monotonic clock, ms.
  clock bigint NOT NULL,
  PRIMARY KEY (node, lane, epoch, grp)
);

CREATE TABLE sessiond.session (
  name text COLLATE "C" PRIMARY KEY,
  -- Random, another one for each write: tells if a remembered record is the stored one.
  rev bigint NOT NULL DEFAULT 0,
  record bytea NOT NULL,
  -- Digest of the idempotency key that it was created with.
  creation_key bytea UNIQUE
);

CREATE TABLE sessiond.messages (
  session text COLLATE "C" PRIMARY KEY,
  value bytea NOT NULL
);

CREATE TABLE sessiond.endpoint (
  session text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  value bytea NOT NULL,
  PRIMARY KEY (session, id)
);

CREATE TABLE sessiond.credential (
  session text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  value bytea NOT NULL,
  PRIMARY KEY (session, key)
);

CREATE TABLE sessiond.chat (
  session text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  value bytea NOT NULL,
  PRIMARY KEY (session, key)
);

CREATE TABLE sessiond.pending_unlink (
  id text COLLATE "C" PRIMARY KEY,
  value bytea NOT NULL
);

CREATE TABLE sessiond.event (
  seq bigint PRIMARY KEY,
  session text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  -- Unix time, ms.
  at bigint NOT NULL,
  value bytea NOT NULL
);
CREATE INDEX event_of_session ON sessiond.event (session, seq);

-- The seq up to which a session's log is trimmed; under the empty name, the greatest of all.
CREATE TABLE sessiond.trimmed (
  session text COLLATE "C" PRIMARY KEY,
  seq bigint NOT NULL
);

-- Deliveries that are not settled. Each holds its event, which the log may lose earlier.
CREATE TABLE sessiond.delivery (
  session text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  endpoint text COLLATE "C" NOT NULL,
  -- Time of the next attempt on the monotonic clock, ms; null before the first attempt.
  due bigint,
  event_id text COLLATE "C" NOT NULL,
  event bytea NOT NULL,
  -- Everything but the event; null before the first attempt.
  value bytea,
  PRIMARY KEY (session, seq, endpoint)
);
CREATE INDEX delivery_first ON sessiond.delivery (session, endpoint, seq) WHERE due IS NULL;
CREATE INDEX delivery_retry ON sessiond.delivery (session, endpoint, due, seq) WHERE due IS NOT NULL;

CREATE TABLE sessiond.settled (
  session text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  endpoint text COLLATE "C" NOT NULL,
  is_delivered boolean NOT NULL,
  -- Unix time, ms.
  at bigint NOT NULL,
  value bytea NOT NULL,
  PRIMARY KEY (session, seq, endpoint)
);
CREATE INDEX settled_by_state ON sessiond.settled (is_delivered, session, seq, endpoint);

CREATE TABLE sessiond.consumer (
  name text COLLATE "C" PRIMARY KEY,
  cursor numeric(20) NOT NULL
);

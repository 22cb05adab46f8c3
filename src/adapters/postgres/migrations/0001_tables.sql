-- Up Migration

-- Texts that are names or keys compare by their bytes, on every server. Values are sealed protobuf messages.

-- The store as a whole: one row.
CREATE TABLE sessiond.cluster (
  one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  -- The server and database in which the store was last opened; null where the server does not tell.
  home text
);

-- The keys that values may be sealed with. A proof is a known text, sealed.
CREATE TABLE sessiond.seal (
  key_id text PRIMARY KEY,
  proof bytea NOT NULL,
  -- Whether every value is sealed with this key.
  is_complete boolean NOT NULL DEFAULT false
);

-- The writers' lock on the log: one row, locked by each group with events. No event gets a seq up to the floor.
CREATE TABLE sessiond.log_head (
  one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
  floor bigint NOT NULL DEFAULT 0
);
INSERT INTO sessiond.log_head DEFAULT VALUES;

CREATE TABLE sessiond.node (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  -- The number of times it was started.
  epoch bigint NOT NULL
);

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

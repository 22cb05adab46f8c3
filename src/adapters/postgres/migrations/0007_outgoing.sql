-- Up Migration

-- Messages that sessions have sent or are to send, by the order in which they were accepted.
CREATE TABLE sessiond.outgoing (
  session text COLLATE "C" NOT NULL,
  place bigint NOT NULL,
  -- WhatsApp's id of the message.
  id text COLLATE "C" NOT NULL,
  -- Digest of the idempotency key; null without one.
  key_hash bytea,
  state smallint NOT NULL,
  is_unsent boolean NOT NULL,
  -- Unix time at which it was accepted, ms.
  at bigint NOT NULL,
  value bytea NOT NULL,
  PRIMARY KEY (session, place),
  UNIQUE (session, id)
);
CREATE UNIQUE INDEX outgoing_key ON sessiond.outgoing (session, key_hash) WHERE key_hash IS NOT NULL;
CREATE INDEX outgoing_unsent ON sessiond.outgoing (session, place) WHERE is_unsent;

-- Writes the rows of a group. Called within the transaction that writes the group.
CREATE FUNCTION sessiond.write_outgoing_v1(p_rows jsonb, p_bytes bytea) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO sessiond.outgoing (session, place, id, key_hash, state, is_unsent, at, value)
  SELECT r.session, r.place, r.id, decode(r.key_hash, 'hex'), r.state, r.is_unsent, r.time,
    substring(p_bytes FROM r.at FOR r.len)
  FROM jsonb_to_recordset(p_rows) AS r (
    session text, place bigint, id text, key_hash text, state smallint, is_unsent boolean, time bigint,
    at integer, len integer
  )
  ON CONFLICT (session, place) DO UPDATE
  SET state = excluded.state, is_unsent = excluded.is_unsent, value = excluded.value;
$$;

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

-- Writes a group, unless it is written already. Returns the log's end before its events. Writes nothing, and returns the sessions that
-- stand in the way, if the node does not own one, or if another session was created with the same key.
--
-- p_group has one array for each kind of change. Values lie in p_bytes, from "at" (counted from 1), "len" bytes long. Adds outgoing messages
-- to the function of 0002.
CREATE OR REPLACE FUNCTION sessiond.commit_v1(
  p_node integer,
  p_lane text,
  p_epoch bigint,
  p_grp bigint,
  p_clock bigint,
  p_is_synced boolean,
  p_group jsonb,
  p_bytes bytea,
  OUT after_seq bigint,
  OUT lost text[],
  OUT taken text[]
)
LANGUAGE plpgsql AS $$
DECLARE
  v_epoch bigint;
BEGIN
  -- Waits for a former backend of this connection. Nobody takes a session from this node before the commit.
  SELECT f.epoch INTO v_epoch FROM sessiond.fence AS f WHERE f.node = p_node AND f.lane = p_lane FOR UPDATE;
  -- First: a group that was written stays written, whatever came then.
  SELECT j.after_seq INTO after_seq FROM sessiond.journal AS j
  WHERE j.node = p_node AND j.lane = p_lane AND j.epoch = p_epoch AND j.grp = p_grp;
  IF FOUND THEN
    RETURN;
  END IF;
  IF v_epoch IS DISTINCT FROM p_epoch THEN
    RAISE EXCEPTION 'this life of the node is over' USING ERRCODE = 'SD001';
  END IF;
  SELECT array_agg(c.session) INTO lost FROM jsonb_to_recordset(p_group -> 'leases') AS c (session text, epoch bigint)
  LEFT JOIN sessiond.lease AS l USING (session)
  WHERE l.node IS DISTINCT FROM p_node OR l.epoch IS DISTINCT FROM c.epoch;
  SELECT array_agg(c.session) INTO taken FROM (
    SELECT r.session, r.creation, row_number() OVER (PARTITION BY r.creation ORDER BY r.n) AS nth
    FROM ROWS FROM (jsonb_to_recordset(p_group -> 'records') AS (session text, creation text)) WITH ORDINALITY
      AS r (session, creation, n)
    WHERE r.creation IS NOT NULL
  ) AS c
  WHERE c.nth > 1 OR EXISTS (
    SELECT FROM sessiond.session AS s WHERE s.creation_key = decode(c.creation, 'hex') AND s.name <> c.session
      AND NOT coalesce(p_group -> 'removed' ? s.name, false)
  );
  IF lost IS NOT NULL OR taken IS NOT NULL THEN
    RETURN;
  END IF;
  IF NOT p_is_synced THEN
    PERFORM set_config('synchronous_commit', 'off', true);
  END IF;

  IF p_group ? 'removed' THEN
    PERFORM FROM sessiond.log_head FOR UPDATE;
    UPDATE sessiond.log_head SET floor = greatest(floor, (SELECT max(seq) FROM sessiond.event));
    UPDATE sessiond.lease AS l SET removed_seq = h.floor
    FROM sessiond.log_head AS h, jsonb_array_elements_text(p_group -> 'removed') AS r (name) WHERE l.session = r.name;
    DELETE FROM sessiond.event USING jsonb_array_elements_text(p_group -> 'removed') AS r (name) WHERE session = r.name;
    DELETE FROM sessiond.settled USING jsonb_array_elements_text(p_group -> 'removed') AS r (name) WHERE session = r.name;
    DELETE FROM sessiond.trimmed USING jsonb_array_elements_text(p_group -> 'removed') AS r (name) WHERE session = r.name;
    DELETE FROM sessiond.outgoing USING jsonb_array_elements_text(p_group -> 'removed') AS r (name) WHERE session = r.name;
    DELETE FROM sessiond.messages USING jsonb_array_elements_text(p_group -> 'removed') AS r (name) WHERE session = r.name;
    DELETE FROM sessiond.session USING jsonb_array_elements_text(p_group -> 'removed') AS r (name) WHERE session.name = r.name;
  END IF;
  IF p_group ? 'wiped' THEN
    DELETE FROM sessiond.credential USING jsonb_array_elements_text(p_group -> 'wiped') AS w (name) WHERE session = w.name;
    DELETE FROM sessiond.chat USING jsonb_array_elements_text(p_group -> 'wiped') AS w (name) WHERE session = w.name;
  END IF;

  IF p_group ? 'records' THEN
    INSERT INTO sessiond.session (name, rev, record, creation_key)
    SELECT r.session, r.rev, substring(p_bytes FROM r.at FOR r.len), decode(r.creation, 'hex')
    FROM jsonb_to_recordset(p_group -> 'records') AS r (session text, rev bigint, creation text, at integer, len integer)
    ON CONFLICT (name) DO UPDATE
    SET rev = excluded.rev, record = excluded.record, creation_key = excluded.creation_key;
  END IF;
  IF p_group ? 'messages' THEN
    INSERT INTO sessiond.messages (session, value)
    SELECT m.session, substring(p_bytes FROM m.at FOR m.len)
    FROM jsonb_to_recordset(p_group -> 'messages') AS m (session text, at integer, len integer)
    ON CONFLICT (session) DO UPDATE SET value = excluded.value;
  END IF;
  IF p_group ? 'endpoints' THEN
    DELETE FROM sessiond.endpoint AS e
    USING jsonb_to_recordset(p_group -> 'endpoints') AS c (session text, id text, len integer)
    WHERE c.len IS NULL AND e.session = c.session AND e.id = c.id;
    INSERT INTO sessiond.endpoint (session, id, value)
    SELECT c.session, c.id, substring(p_bytes FROM c.at FOR c.len)
    FROM jsonb_to_recordset(p_group -> 'endpoints') AS c (session text, id text, at integer, len integer)
    WHERE c.len IS NOT NULL
    ON CONFLICT (session, id) DO UPDATE SET value = excluded.value;
  END IF;

  IF p_group ? 'credentials' THEN
    DELETE FROM sessiond.credential AS e
    USING jsonb_to_recordset(p_group -> 'credentials') AS c (session text, key text, len integer)
    WHERE c.len IS NULL AND e.session = c.session AND e.key = c.key;
    INSERT INTO sessiond.credential (session, key, value)
    SELECT c.session, c.key, substring(p_bytes FROM c.at FOR c.len)
    FROM jsonb_to_recordset(p_group -> 'credentials') AS c (session text, key text, at integer, len integer)
    WHERE c.len IS NOT NULL
    ON CONFLICT (session, key) DO UPDATE SET value = excluded.value;
  END IF;
  IF p_group ? 'chats' THEN
    DELETE FROM sessiond.chat AS e
    USING jsonb_to_recordset(p_group -> 'chats') AS c (session text, key text, len integer)
    WHERE c.len IS NULL AND e.session = c.session AND e.key = c.key;
    INSERT INTO sessiond.chat (session, key, value)
    SELECT c.session, c.key, substring(p_bytes FROM c.at FOR c.len)
    FROM jsonb_to_recordset(p_group -> 'chats') AS c (session text, key text, at integer, len integer)
    WHERE c.len IS NOT NULL
    ON CONFLICT (session, key) DO UPDATE SET value = excluded.value;
  END IF;
  IF p_group ? 'unlinks' THEN
    DELETE FROM sessiond.pending_unlink AS u
    USING jsonb_to_recordset(p_group -> 'unlinks') AS c (id text, len integer)
    WHERE c.len IS NULL AND u.id = c.id;
    DELETE FROM sessiond.lease USING jsonb_to_recordset(p_group -> 'unlinks') AS c (id text, len integer)
    WHERE c.len IS NULL AND session = c.id;
    INSERT INTO sessiond.pending_unlink (id, value)
    SELECT c.id, substring(p_bytes FROM c.at FOR c.len)
    FROM jsonb_to_recordset(p_group -> 'unlinks') AS c (id text, at integer, len integer)
    WHERE c.len IS NOT NULL
    ON CONFLICT (id) DO UPDATE SET value = excluded.value;
  END IF;
  IF p_group ? 'needs' THEN
    INSERT INTO sessiond.lease AS l (session, needs_owner, weight, home)
    SELECT n.session, n.needs, n.weight, CASE WHEN n.bound THEN p_node END
    FROM jsonb_to_recordset(p_group -> 'needs') AS n (session text, needs boolean, weight integer, bound boolean)
    ON CONFLICT (session) DO UPDATE SET needs_owner = excluded.needs_owner, weight = excluded.weight, home = excluded.home;
  END IF;
  IF p_group ? 'outgoing' THEN
    PERFORM sessiond.write_outgoing_v1(p_group -> 'outgoing', p_bytes);
  END IF;
  IF p_group ? 'consumers' THEN
    INSERT INTO sessiond.consumer AS e (name, cursor)
    SELECT c.name, c.cursor FROM jsonb_to_recordset(p_group -> 'consumers') AS c (name text, cursor numeric)
    ON CONFLICT (name) DO UPDATE SET cursor = greatest(e.cursor, excluded.cursor);
  END IF;

  IF p_group ? 'retries' THEN
    UPDATE sessiond.delivery AS d SET due = r.due, value = substring(p_bytes FROM r.at FOR r.len)
    FROM jsonb_to_recordset(p_group -> 'retries')
      AS r (session text, seq bigint, endpoint text, due bigint, at integer, len integer)
    WHERE d.session = r.session AND d.seq = r.seq AND d.endpoint = r.endpoint;
  END IF;
  IF p_group ? 'ended' THEN
    DELETE FROM sessiond.delivery AS d
    USING jsonb_to_recordset(p_group -> 'ended') AS e (session text, seq bigint, endpoint text)
    WHERE d.session = e.session AND d.seq = e.seq AND d.endpoint = e.endpoint;
    INSERT INTO sessiond.settled (session, seq, endpoint, is_delivered, at, value)
    SELECT e.session, e.seq, e.endpoint, e.delivered, e.time, substring(p_bytes FROM e.at FOR e.len)
    FROM jsonb_to_recordset(p_group -> 'ended')
      AS e (session text, seq bigint, endpoint text, delivered boolean, time bigint, at integer, len integer)
    WHERE e.len IS NOT NULL
    ON CONFLICT (session, seq, endpoint) DO UPDATE
    SET is_delivered = excluded.is_delivered, at = excluded.at, value = excluded.value;
  END IF;
  IF p_group ? 'resent' THEN
    DELETE FROM sessiond.settled AS s
    USING jsonb_to_recordset(p_group -> 'resent') AS r (session text, seq bigint, endpoint text)
    WHERE s.session = r.session AND s.seq = r.seq AND s.endpoint = r.endpoint;
    INSERT INTO sessiond.delivery (session, seq, endpoint, due, event_id, event, value)
    SELECT r.session, r.seq, r.endpoint, r.due, r.event_id,
      substring(p_bytes FROM r.event_at FOR r.event_len), substring(p_bytes FROM r.at FOR r.len)
    FROM jsonb_to_recordset(p_group -> 'resent') AS r (
      session text, seq bigint, endpoint text, due bigint, event_id text,
      event_at integer, event_len integer, at integer, len integer
    );
  END IF;

  -- Last, as it takes the lock that all writers share. It is freed when the commit can be seen: commits are in the order of seq.
  IF p_group ? 'events' THEN
    PERFORM FROM sessiond.log_head FOR UPDATE;
    SELECT greatest(floor, (SELECT max(seq) FROM sessiond.event)) INTO after_seq FROM sessiond.log_head;
    WITH logged AS (
      INSERT INTO sessiond.event (seq, session, id, at, value)
      SELECT after_seq + e.n, e.session, e.id, e.time, substring(p_bytes FROM e.at FOR e.len)
      FROM jsonb_to_recordset(p_group -> 'events')
        AS e (n integer, session text, id text, time bigint, at integer, len integer)
      RETURNING seq, session, id, value
    )
    INSERT INTO sessiond.delivery (session, seq, endpoint, event_id, event)
    SELECT logged.session, logged.seq, d.endpoint, logged.id, logged.value
    FROM logged
    JOIN jsonb_to_recordset(p_group -> 'deliveries') AS d (n integer, endpoint text) ON d.n = logged.seq - after_seq;
  END IF;

  INSERT INTO sessiond.journal (node, lane, epoch, grp, after_seq, clock)
  VALUES (p_node, p_lane, p_epoch, p_grp, after_seq, p_clock);
  IF p_grp % 1000 = 0 THEN
    DELETE FROM sessiond.journal
    WHERE node = p_node AND lane = p_lane AND epoch = p_epoch AND grp BETWEEN p_grp - 2000 AND p_grp - 1000;
  END IF;
END
$$;

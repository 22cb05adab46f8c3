-- Up Migration

-- All functions lock in this order: the cluster, the node, its fence rows, leases.

-- Begins a life of a node, in which it goes on with the sessions that it still owns. Waits for its writes in flight, and refuses all later
-- ones of its former life. With p_is_again, the process must be the one that took it last; else it returns no row.
CREATE FUNCTION sessiond.take_node_v1(
  p_name text,
  p_version text,
  p_capacity integer,
  p_process text,
  p_is_again boolean,
  OUT node integer,
  OUT epoch bigint,
  OUT generation bigint
) RETURNS SETOF record
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE sessiond.cluster AS c SET generation = c.generation + 1 RETURNING c.generation INTO take_node_v1.generation;
  INSERT INTO sessiond.node AS n (name, epoch, version, capacity, process, backend, fenced)
  VALUES (p_name, 1, p_version, p_capacity, p_process, pg_backend_pid(), false)
  ON CONFLICT (name) DO UPDATE SET epoch = n.epoch + 1, version = excluded.version, capacity = excluded.capacity,
    process = excluded.process, backend = excluded.backend, beat = n.beat + 1, returns = false, fenced = false,
    draining = n.draining AND p_is_again, url = CASE WHEN p_is_again THEN n.url ELSE '' END
  WHERE NOT p_is_again OR n.process = p_process
  RETURNING n.id, n.epoch INTO take_node_v1.node, take_node_v1.epoch;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  INSERT INTO sessiond.fence AS f (node, lane, epoch)
  SELECT take_node_v1.node, l.lane, take_node_v1.epoch FROM unnest(ARRAY['log', 'data']) AS l (lane)
  ON CONFLICT ON CONSTRAINT fence_pkey DO UPDATE SET epoch = excluded.epoch;
  UPDATE sessiond.lease AS l SET epoch = l.epoch + 1 WHERE l.node = take_node_v1.node;
  RETURN NEXT;
END
$$;

-- Ends a node's life if it has not beaten since p_beat, and takes all its sessions from it. Waits for its writes in flight.
CREATE FUNCTION sessiond.fence_node_v1(p_node integer, p_beat bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE sessiond.node SET fenced = true, returns = false WHERE id = p_node AND beat = p_beat AND NOT fenced;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE sessiond.fence SET epoch = 0 WHERE node = p_node;
  UPDATE sessiond.lease SET node = NULL WHERE node = p_node;
  UPDATE sessiond.lease SET target = NULL WHERE target = p_node;
  RETURN true;
END
$$;

-- Ends a node's life in order. With p_returns it keeps its sessions for its next life, unless it stays away.
CREATE FUNCTION sessiond.leave_v1(p_node integer, p_epoch bigint, p_returns boolean) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE sessiond.node SET fenced = NOT p_returns, returns = p_returns, draining = true, backend = NULL
  WHERE id = p_node AND epoch = p_epoch;
  IF NOT FOUND OR p_returns THEN
    RETURN;
  END IF;
  UPDATE sessiond.fence SET epoch = 0 WHERE node = p_node;
  UPDATE sessiond.lease SET node = NULL WHERE node = p_node;
  UPDATE sessiond.lease SET target = NULL WHERE target = p_node;
END
$$;

-- Locks a living node until the end of the transaction, so that it is not fenced meanwhile.
CREATE FUNCTION sessiond.hold_node_v1(p_node integer, p_epoch bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM sessiond.node WHERE id = p_node AND epoch = p_epoch AND NOT fenced FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'this life of the node is over' USING ERRCODE = 'SD001';
  END IF;
END
$$;

-- Takes sessions that have no owner. Returns each with its owner, which may be another node, or none where it is bound to one.
CREATE FUNCTION sessiond.acquire_v1(p_node integer, p_epoch bigint, p_sessions text[])
RETURNS TABLE (session text, epoch bigint, owner integer, home integer, needs_owner boolean, weight integer)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM sessiond.hold_node_v1(p_node, p_epoch);
  INSERT INTO sessiond.lease AS l (session, epoch)
  SELECT s.name, c.lease_floor FROM unnest(p_sessions) AS s (name), sessiond.cluster AS c ORDER BY s.name
  ON CONFLICT ON CONSTRAINT lease_pkey DO NOTHING;
  PERFORM FROM sessiond.lease AS l WHERE l.session = ANY (p_sessions) ORDER BY l.session FOR UPDATE;
  UPDATE sessiond.lease AS l SET node = p_node, epoch = l.epoch + 1, target = NULL
  WHERE l.session = ANY (p_sessions) AND l.node IS NULL AND (l.home IS NULL OR l.home = p_node);
  RETURN QUERY SELECT l.session, l.epoch, l.node, l.home, l.needs_owner, l.weight
  FROM sessiond.lease AS l WHERE l.session = ANY (p_sessions);
END
$$;

-- Takes sessions that need an owner: those meant for this node, and others until their weight reaches p_room. Leaves those that are meant
-- for one of p_nodes to it.
CREATE FUNCTION sessiond.claim_v1(p_node integer, p_epoch bigint, p_room integer, p_nodes integer[])
RETURNS TABLE (session text, epoch bigint, needs_owner boolean, weight integer, home integer)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM sessiond.hold_node_v1(p_node, p_epoch);
  RETURN QUERY
  WITH open AS (
    SELECT l.session, l.weight, l.target FROM sessiond.lease AS l
    WHERE l.node IS NULL AND l.needs_owner AND (l.home IS NULL OR l.home = p_node)
      AND (l.target IS NULL OR l.target = p_node OR NOT l.target = ANY (p_nodes))
    ORDER BY l.target IS NOT DISTINCT FROM p_node DESC LIMIT p_room
    FOR UPDATE SKIP LOCKED
  ), chosen AS (
    SELECT o.session FROM (
      SELECT open.session, open.target, sum(open.weight) OVER (ORDER BY open.session) - open.weight AS before FROM open
    ) AS o WHERE o.before < p_room OR o.target = p_node
  )
  UPDATE sessiond.lease AS l SET node = p_node, epoch = l.epoch + 1, target = NULL
  FROM chosen WHERE l.session = chosen.session
  RETURNING l.session, l.epoch, l.needs_owner, l.weight, l.home;
END
$$;

-- Ends the lives of all nodes, as the store moves. Returns a number that is greater than the epochs of all leases.
CREATE FUNCTION sessiond.retire_nodes_v1() RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE sessiond.node SET fenced = true, returns = false;
  UPDATE sessiond.fence SET epoch = 0;
  UPDATE sessiond.lease SET node = NULL, target = NULL;
  RETURN (SELECT greatest(c.lease_floor, (SELECT max(epoch) FROM sessiond.lease)) + 1 FROM sessiond.cluster AS c);
END
$$;

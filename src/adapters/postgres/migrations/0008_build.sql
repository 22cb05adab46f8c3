-- Up Migration

-- Name of what a node runs beside its version, and the place of its start among those of all nodes: the sessions of nodes that end in an update go to
-- those of the version and build that have come last. Unknown for nodes of versions before.
ALTER TABLE sessiond.node ADD COLUMN build text NOT NULL DEFAULT '', ADD COLUMN started bigint NOT NULL DEFAULT 0;

-- As take_node_v1, which nodes of earlier versions go on to use, with the node's build.
CREATE FUNCTION sessiond.take_node_v2(
  p_name text,
  p_version text,
  p_build text,
  p_capacity integer,
  p_process text,
  p_is_again boolean,
  OUT node integer,
  OUT epoch bigint,
  OUT generation bigint
) RETURNS SETOF record
LANGUAGE plpgsql AS $$
BEGIN
  SELECT t.node, t.epoch, t.generation INTO take_node_v2.node, take_node_v2.epoch, take_node_v2.generation
  FROM sessiond.take_node_v1(p_name, p_version, p_capacity, p_process, p_is_again) AS t;
  IF take_node_v2.node IS NULL THEN
    RETURN;
  END IF;
  UPDATE sessiond.node AS n SET build = p_build,
    started = CASE WHEN p_is_again THEN n.started ELSE take_node_v2.generation END
  WHERE n.id = take_node_v2.node;
  RETURN NEXT;
END
$$;

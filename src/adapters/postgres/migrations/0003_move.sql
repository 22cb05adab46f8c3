-- Up Migration

-- A note about the move of the store: no row in a store that may be opened.
CREATE TABLE sessiond.move (
  one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
  -- importing: entries are being added. moved: the store goes on elsewhere.
  state text NOT NULL CHECK (state IN ('importing', 'moved')),
  -- The store at the other end.
  other_place text NOT NULL,
  other_id text NOT NULL,
  -- The command that finishes the move, or that moves the store back.
  command text NOT NULL
);

-- Up Migration

-- Archives of the files that engines have outside of the store, in parts, while their sessions go from one node to another. One with a
-- greater epoch replaces those before it. An archive that no credential names is not complete, or is out of date.
CREATE TABLE sessiond.profile (
  session text COLLATE "C" NOT NULL,
  epoch bigint NOT NULL,
  part bigint NOT NULL,
  bytes bytea NOT NULL,
  PRIMARY KEY (session, epoch, part)
);
-- They are compressed already.
ALTER TABLE sessiond.profile ALTER COLUMN bytes SET STORAGE EXTERNAL;

import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

/** Preloaded: every stat of a file or directory returns a new inode number, as on some virtual mounts. */
let shift = BigInt(process.pid) * 1_000_000n;
const { stat } = fs.promises;
const shifting = async (path: fs.PathLike, options?: fs.StatOptions) => {
  const facts = await stat(path, options);
  if (typeof facts.ino === "bigint") Object.assign(facts, { ino: facts.ino + shift++ });
  return facts;
};
Object.assign(fs.promises, { stat: shifting });
syncBuiltinESMExports();

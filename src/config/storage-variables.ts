import { flag, path, text } from "./kinds.ts";
import { postgresUrl } from "./postgres-url.ts";
import { variable } from "./variable.ts";

/** Variables about what is stored, where, and under which key. */
export const storage = {
  SESSIOND_STORE: variable(postgresUrl, {
    description:
      "Database that holds the store, in PostgreSQL 14 or later: `postgres://user:password@host:port/database`. " +
      "The base directory then has profiles of browsers only.",
    shownDefault: "LevelDB in the base directory",
    isSecret: true,
  }),
  WAHA_LOCAL_STORE_BASE_DIR: variable(path, {
    description: "Base directory: the store, logins, backups.",
    shownDefault: "./.sessions; in the image /app/.sessions",
  }),
  SESSIOND_FORMER_BASE_DIR: variable(path, {
    description:
      "Base directory of an earlier image. Used while only it holds a store and `WAHA_LOCAL_STORE_BASE_DIR` is unset.",
    shownDefault: "in the image /data",
  }),
  SESSIOND_SECRET_KEY: variable(text, {
    description: "Key that encrypts all stored values: 32 bytes, as base64 or hexadecimal.",
    isSecret: true,
  }),
  SESSIOND_SECRET_KEY_FILE: variable(path, { description: "File with `SESSIOND_SECRET_KEY`. Set only one of them." }),
  SESSIOND_SECRET_KEY_PREVIOUS: variable(text, {
    description: "Former keys, separated by commas or spaces. Values are encrypted anew with the current key.",
    isSecret: true,
  }),
  SESSIOND_SECRET_KEY_PREVIOUS_FILE: variable(path, { description: "File with `SESSIOND_SECRET_KEY_PREVIOUS`." }),
  SESSIOND_ADOPT_STORE: variable(flag, {
    description: "Opens a base directory that is a copy. Only safe if the original never runs again.",
    default: false,
  }),
};

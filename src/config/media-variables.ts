import { seconds, wholeNumber } from "./kinds.ts";
import { variable } from "./variable.ts";

const mebibyte = 1024 * 1024;

/** Variables about the files of messages. */
export const media = {
  SESSIOND_MAX_FILE_BYTES: variable(wholeNumber(1, 2 ** 31), {
    description:
      "Size of a file to send, at most. A file in a REST request's body is also limited by `SESSIOND_MAX_BODY_BYTES`.",
    default: 128 * mebibyte,
  }),
  SESSIOND_FILE_FETCH_SECONDS: variable(seconds(1, 3_600), {
    description: "Time in which a file has to arrive from `file.url`, in seconds.",
    default: 60_000,
  }),
};

import { flag, list, seconds, wholeNumber } from "./kinds.ts";
import { variable } from "./variable.ts";

const mebibyte = 1024 * 1024;

/** Variables about the files of messages. */
export const media = {
  SESSIOND_MAX_FILE_BYTES: variable(wholeNumber(1, 2 ** 31), {
    description:
      "Size of a file to send or to fetch, at most. A file in a REST request's body is also limited by `SESSIOND_MAX_BODY_BYTES`.",
    default: 128 * mebibyte,
  }),
  SESSIOND_FILE_FETCH_SECONDS: variable(seconds(1, 3_600), {
    description: "Time in which a file has to arrive from `file.url`, in seconds.",
    default: 60_000,
  }),
  WHATSAPP_DOWNLOAD_MEDIA: variable(flag, {
    description:
      "Shows the files of messages as `media` in events. They are fetched from WhatsApp when `media.url` is asked for.",
    default: true,
  }),
  WHATSAPP_FILES_MIMETYPES: variable(list(), {
    description: "Media types of the files that are shown, or their beginnings, such as `image/,application/pdf`.",
    default: [],
    shownDefault: "all",
  }),
  WHATSAPP_FILES_LIFETIME: variable(seconds(0, 31_536_000), {
    description:
      "Time for which `media.url` works after the message was sent, in seconds; 0 for as long as WhatsApp has the file.",
    default: 0,
  }),
};

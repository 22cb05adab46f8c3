import { flag } from "./kinds.ts";
import { variable } from "./variable.ts";

const ignored = (chats: string) =>
  variable(flag, {
    description: `Sessions report nothing of ${chats}, unless they have a \`config.ignore\` of their own.`,
    default: false,
  });

/** The chats that sessions ignore, by WAHA's names. */
export const ignore = {
  WAHA_SESSION_CONFIG_IGNORE_STATUS: ignored("status updates"),
  WAHA_SESSION_CONFIG_IGNORE_GROUPS: ignored("groups"),
  WAHA_SESSION_CONFIG_IGNORE_CHANNELS: ignored("channels"),
  WAHA_SESSION_CONFIG_IGNORE_BROADCAST: ignored("broadcast lists"),
};

/** Names of events that occur, as choices of a filter. "session.updated" is streamed only to those who ask for it by name. */
export const eventChoices = {
  "": "Any event",
  "session.status": "session.status",
  "session.updated": "session.updated (not a status)",
  "session.health": "session.health",
  "session.deleted": "session.deleted",
  message: "message",
  "message.any": "message.any",
  "webhook.disabled": "webhook.disabled",
  "webhook.test": "webhook.test",
} as const;

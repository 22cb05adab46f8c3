/** Makes a message and all that it holds unchangeable, so that a caller who changes a shared record fails in its test. */
export function deepFreeze<T extends object>(message: T): T {
  if (Object.isFrozen(message) || ArrayBuffer.isView(message)) return message;
  Object.freeze(message);
  for (const value of Object.values(message)) if (typeof value === "object" && value !== null) deepFreeze(value);
  return message;
}

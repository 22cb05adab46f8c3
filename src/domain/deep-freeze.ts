/** Makes a message and all that it holds unchangeable. A frozen message counts as frozen throughout. */
export function deepFreeze<T extends object>(message: T): T {
  if (Object.isFrozen(message) || ArrayBuffer.isView(message)) return message;
  Object.freeze(message);
  for (const value of Object.values(message)) if (typeof value === "object" && value !== null) deepFreeze(value);
  return message;
}

const maxTextLength = 300;

/** Cuts a text to a length that a log line can hold. */
export const shorten = (text: string): string =>
  text.length > maxTextLength ? `${text.slice(0, maxTextLength)}…` : text;

/** Returns an error as log fields. Leaves out properties that libraries add to errors, since these can hold a proxy's password. */
export function errorFields(error: unknown): { error: string; stack?: string; cause?: string } {
  if (!(error instanceof Error)) return { error: shorten(describe(error)) };
  return {
    error: shorten(error.message),
    ...(error.stack !== undefined && { stack: error.stack }),
    ...(error.cause instanceof Error && { cause: shorten(error.cause.message) }),
  };
}

/** Describes a thrown value that is not an Error. An object's properties can hold secrets, so only its class is named. */
function describe(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return `an object of class ${value.constructor?.name ?? "null"} was thrown`;
}

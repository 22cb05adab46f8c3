import type { Violation } from "./errors.ts";

const allowed = /^[A-Za-z0-9_.-]{1,54}$/;
/** The deprecated routes own these below /api/sessions, in any case. */
const reserved = ["start", "stop", "logout"];

/** Returns the rules that a session's name violates. `field` is the request field that has the name. */
export function sessionNameViolations(name: string, field: string): Violation[] {
  const violation = (description: string) => [{ field, description }];
  if (name === "") return violation("should not be empty");
  if (!allowed.test(name)) return violation("must be 1 to 54 characters of A-Z a-z 0-9 _ - .");
  if (name === "." || name === "..") return violation('must not be "." or ".."');
  if (reserved.includes(name.toLowerCase())) return violation(`must not be one of ${reserved.join(", ")}`);
  return [];
}

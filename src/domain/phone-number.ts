import type { Violation } from "./errors.ts";

/** The digits of a phone number in international format, or what is wrong with it. */
export function phoneNumber(text: string): string | Violation {
  const digits = text.replaceAll(" ", "").replace(/^\+/, "");
  if (/^[0-9]{7,15}$/.test(digits)) return digits;
  return { field: "phoneNumber", description: "must be a phone number of 7 to 15 digits in international format" };
}

import type { Violation } from "./errors.ts";

/**
 * Spaces and dashes of any width, dots, round brackets, and the direction marks that address books put around numbers.
 */
const separators = /[\p{Zs}\p{Pd}.()\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Returns the digits of a phone number in international format, without "+" or "00", or else the rule it breaks. */
export function phoneNumber(text: string): string | Violation {
  const digits = text.replace(separators, "").replace(/^\+/, "").replace(/^00/, "");
  if (digits.startsWith("0")) return violation("must begin with the country code, not with 0");
  if (/^[0-9]{7,15}$/.test(digits)) return digits;
  return violation("must be a phone number of 7 to 15 digits in international format");
}

const violation = (description: string): Violation => ({ field: "phoneNumber", description });

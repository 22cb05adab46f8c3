import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { phoneNumber } from "../../src/domain/phone-number.ts";

const accepted: readonly [text: string, digits: string][] = [
  ["12132132130", "12132132130"],
  ["+12132132130", "12132132130"],
  [" +1 213 213 2130 ", "12132132130"],
  ["+1 (213) 213-2130", "12132132130"],
  ["(+1) 213.213.2130", "12132132130"],
  ["0049 171 1234567", "491711234567"],
  ["+0049 171 1234567", "491711234567"],
  ["00 49-171-1234567", "491711234567"],
  ["+49\u00a0171\u202f1234567", "491711234567"],
  ["+49 171 123\u201145\u201367", "491711234567"],
  ["\u202a+49 171 1234567\u202c", "491711234567"],
  ["1-213-213", "1213213"],
  ["1234567", "1234567"],
  ["1".repeat(15), "1".repeat(15)],
];

const refused: readonly [text: string, why: RegExp][] = [
  ["0171 1234567", /country code/],
  ["+0171 1234567", /country code/],
  ["(0171) 1234567", /country code/],
  ["000171 1234567", /country code/],
  ["00", /7 to 15 digits/],
  ["", /7 to 15 digits/],
  ["+", /7 to 15 digits/],
  ["123456", /7 to 15 digits/],
  ["00 123456", /7 to 15 digits/],
  ["1".repeat(16), /7 to 15 digits/],
  ["++1234567", /7 to 15 digits/],
  ["1234567+", /7 to 15 digits/],
  ["1213+2132130", /7 to 15 digits/],
  ["1213213abcd", /7 to 15 digits/],
  ["1213213 ext. 5", /7 to 15 digits/],
  ["12132132130@c.us", /7 to 15 digits/],
  ["1213/2132130", /7 to 15 digits/],
  ["\u0661\u0662\u0663\u0664\u0665\u0666\u0667", /7 to 15 digits/],
  ["1234567\n", /7 to 15 digits/],
];

describe("a phone number", () => {
  for (const [text, digits] of accepted) {
    it(`${JSON.stringify(text)} is ${digits}`, () => assert.equal(phoneNumber(text), digits));
  }

  for (const [text, why] of refused) {
    it(`${JSON.stringify(text)} is refused with a reason`, () => {
      const result = phoneNumber(text);
      assert.ok(typeof result === "object" && result.field === "phoneNumber");
      assert.match(result.description, why);
    });
  }
});

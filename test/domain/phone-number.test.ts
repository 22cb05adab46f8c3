import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { phoneNumber } from "../../src/domain/phone-number.ts";

suite("a phone number", () => {
  test("7 to 15 digits; a leading + and spaces are stripped", () => {
    assert.equal(phoneNumber("12132132130"), "12132132130");
    assert.equal(phoneNumber(" +1 213 213 2130 "), "12132132130");
    assert.equal(phoneNumber("1234567"), "1234567");
    assert.equal(phoneNumber("1".repeat(15)), "1".repeat(15));
  });

  test("anything else is a violation of phoneNumber", () => {
    for (const text of [
      "",
      "+",
      "123456",
      "1".repeat(16),
      "1-213-213",
      "++1234567",
      "1234567+",
      "١٢٣٤٥٦٧",
      "1234567\n",
    ]) {
      const result = phoneNumber(text);
      assert.ok(typeof result === "object" && result.field === "phoneNumber", JSON.stringify(text));
    }
  });
});

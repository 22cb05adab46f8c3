import assert from "node:assert/strict";
import { it } from "node:test";
import { createTransferRelief } from "../../../src/adapters/node/transfer-relief.ts";

const mebibyte = 1_048_576;

it("young objects are collected for each megabyte of files", () => {
  let collections = 0;
  const passed = createTransferRelief(() => {
    collections += 1;
  });
  for (let part = 0; part < 160; part += 1) passed(mebibyte / 16);
  assert.equal(collections, 10);
});

it("V8 can be asked for a collection of young objects", () => {
  createTransferRelief()(mebibyte);
});

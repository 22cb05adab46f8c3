import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { exportRows } from "../../src/dashboard/sessions/export-rows.ts";
import { rowWith } from "./rows.ts";

/** Cells of a CSV file, as spreadsheets read it (RFC 4180). */
function readCsv(text: string): string[][] {
  const cells = [...text.replace(/^\uFEFF/, "").matchAll(/("(?:[^"]|"")*"|[^,\r\n]*)(,|\r\n)/g)];
  const rows: string[][] = [[]];
  for (const [, cell = "", end] of cells) {
    rows.at(-1)?.push(cell.replace(/^"|"$/g, "").replaceAll('""', '"'));
    if (end === "\r\n") rows.push([]);
  }
  return rows.slice(0, -1);
}

describe("an export of sessions as CSV", () => {
  it("has a column for each field and each key of metadata", () => {
    const rows = [rowWith({ name: "a", metadata: { team: "red" } }), rowWith({ name: "b", metadata: { id: "1,2" } })];
    const [head = [], first, second] = readCsv(exportRows(rows, "csv").text);
    assert.deepEqual(head.slice(-2), ["metadata.id", "metadata.team"]);
    assert.deepEqual([first?.[0], ...(first?.slice(-2) ?? [])], ["a", "", "red"]);
    assert.deepEqual([second?.[0], ...(second?.slice(-2) ?? [])], ["b", "1,2", ""]);
  });

  for (const formula of [
    '=HYPERLINK("http://evil.example")',
    "+1+1",
    "-2",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "  =1",
    "＝1",
    '";=1',
  ]) {
    it(`does not begin a cell as a formula does: ${JSON.stringify(formula)}`, () => {
      const account = { id: "15551234567@c.us", pushName: formula };
      const rows = [rowWith({ name: "a", account, metadata: { [formula]: formula } })];
      for (const cell of readCsv(exportRows(rows, "csv").text).flat()) assert.doesNotMatch(cell, /^\s*[=+\-@＝＋－＠]/);
    });
  }
});

describe("an export of sessions as JSON", () => {
  it("keeps texts as they are", () => {
    const rows = [rowWith({ name: "a", metadata: { note: "=1" } })];
    const [record] = JSON.parse(exportRows(rows, "json").text);
    assert.deepEqual([record.name, record.metadata], ["a", { note: "=1" }]);
  });
});

import assert from "node:assert/strict";
import { it } from "node:test";
import { readConfig } from "../../src/config/config.ts";

const argsOf = async (text: string) => {
  const { config } = await readConfig(() => Promise.reject(new Error("no file is read")), {
    WAHA_WEBJS_PUPPETER_ARGS: text,
  });
  return config.chromeArgs;
};

it("arguments of the browser are parted by spaces, but keep those within their values", async () => {
  const rules = "--host-resolver-rules=MAP web.whatsapp.com 127.0.0.1:8443,MAP * ~NOTFOUND";
  const rows: readonly (readonly [string, readonly string[]])[] = [
    ["", []],
    ["  ", []],
    ["--no-sandbox", ["--no-sandbox"]],
    [" --a --b=1  --c ", ["--a", "--b=1", "--c"]],
    [`${rules} --a`, [rules, "--a"]],
    [`--a "${rules}" --b`, ["--a", rules, "--b"]],
    [`--a '${rules}'`, ["--a", rules]],
    [`--host-resolver-rules="${rules.split("rules=")[1]}" --a`, [rules, "--a"]],
  ];
  for (const [text, args] of rows) assert.deepEqual(await argsOf(text), args, text);
});

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { ProxyConfigSchema } from "../../../gen/sessiond/v1/session_pb.js";
import { answering, listening } from "../baileys/refusing-proxy.ts";
import { WebjsFixture } from "./webjs-fixture.ts";

describe("what a WEBJS session's proxy answers", () => {
  let fixture: WebjsFixture;

  before(async () => {
    fixture = await WebjsFixture.start();
  });
  after(() => fixture.close());

  const closedThrough = async (server: string, pageTimeoutMs = 20_000) => {
    const session = fixture.session({ extraArgs: [fixture.whatsapp.pinArg], pageTimeoutMs });
    session.config.proxy = create(ProxyConfigSchema, { server });
    const { cause, message } = await session.open().until("closed");
    assert.equal(cause, "unreachable");
    return message;
  };

  for (const status of ["403 Forbidden", "502 Bad Gateway"]) {
    it(`is named as the proxy's: ${status}`, async (t) => {
      const server = `127.0.0.1:${await listening(t, answering(...Array(9).fill(`HTTP/1.1 ${status}\r\n\r\n`)))}`;
      const reason = "the proxy refused the connection (ERR_TUNNEL_CONNECTION_FAILED)";
      assert.equal(
        await closedThrough(server),
        `WhatsApp Web could not be opened through the proxy ${server}: ${reason}`,
      );
    });
  }

  it("is named if a SOCKS proxy refuses", async (t) => {
    const answers = [Uint8Array.of(5, 0), Uint8Array.of(5, 2, 0, 1, 0, 0, 0, 0, 0, 0)];
    const server = `127.0.0.1:${await listening(t, answering(...answers))}`;
    assert.match(await closedThrough(`socks5://${server}`), /through the proxy 127[^:]+:\d+: the proxy refused/);
  });

  it("is named if it is silence", async (t) => {
    const server = `127.0.0.1:${await listening(t, () => {})}`;
    assert.equal(await closedThrough(server, 1_000), `WhatsApp Web did not answer in time through the proxy ${server}`);
  });
});

import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A place on loopback where a client version is published, as WhatsApp Web's service worker does it. */
export async function startVersionServer() {
  const server = createServer((_request, response) => {
    published.asked += 1;
    published.answer(response);
  });
  const published = {
    /** How often it was asked. */
    asked: 0,
    answer: (response: ServerResponse): void => {
      response.writeHead(404).end();
    },
    /** Publishes a version from now on: the last part of its number. */
    publish(revision: number) {
      published.answer = (response) =>
        response.end(`self.__swData=JSON.parse("{\\"server_revision\\":1,\\"client_revision\\":${revision}}")`);
    },
    url: "",
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  published.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/sw.js`;
  return published;
}

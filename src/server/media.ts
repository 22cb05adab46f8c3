import { createTransferRelief } from "../adapters/node/transfer-relief.ts";
import { createSpool } from "../adapters/spool/spool.ts";
import { createLazyFetcher } from "../adapters/undici/lazy-fetcher.ts";
import { NodeUploads } from "../api/nodes/node-uploads.ts";
import { FileLinks } from "../app/sending/file-links.ts";
import { OutgoingFiles } from "../app/sending/outgoing-files.ts";
import type { Config } from "../config/config.ts";
import type { Backend } from "../ports/backend.ts";
import { type AccessRules, fetcherOptionsOf } from "./access-rules.ts";
import type { Engines } from "./engines.ts";
import type { Nodes } from "./nodes.ts";
import type { Tools } from "./overrides.ts";

/** The files of messages. */
export interface Media {
  readonly files: OutgoingFiles;
  readonly links: FileLinks;
  /** Returns the server's URL, as clients see it. */
  readonly baseUrl: () => string;
  /** To be called with the size of each part of a file that passes through the process. */
  readonly passed: (bytes: number) => void;
  /** Removes the files of sessions that do not exist any more. Never rejects. */
  clean(backend: Pick<Backend, "sessions">): Promise<void>;
  close(): Promise<void>;
}

/** Creates the spool in the data directory, and the fetcher that fills it through the guard and the proxies of webhooks. */
export function createMedia(
  directory: string,
  config: Config,
  baseUrl: () => string,
  { factories: engines }: Engines,
  rules: AccessRules,
  nodes: Nodes | undefined,
  { clock, logger }: Tools,
): Media {
  const { media } = config;
  const spool = createSpool(`${directory}/files`);
  const fetcher = createLazyFetcher({ ...fetcherOptionsOf(rules, { clock }), limitMs: media.fetchLimitMs });
  const passed = createTransferRelief();
  const elsewhere = nodes && new NodeUploads({ placement: nodes.cluster.placement, peers: nodes.peers });
  const files = new OutgoingFiles({ fetcher, spool, clock, elsewhere, maxBytes: media.maxBytes, passed });
  return {
    files,
    passed,
    baseUrl,
    links: new FileLinks({ baseUrl, engines, isEnabled: media.isShown, mimetypes: media.mimetypes }),
    async clean({ sessions }) {
      try {
        const { records } = await sessions.list();
        await spool.retainSessions(records.map(({ name }) => name));
      } catch (error) {
        logger.warn({ err: error }, "files of removed sessions could not be removed");
      }
    },
    async close() {
      await Promise.all([files.close(), fetcher.close()]);
    },
  };
}

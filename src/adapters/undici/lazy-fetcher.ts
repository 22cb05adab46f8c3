import type { FileFetcher } from "../../ports/media.ts";
import type { FileFetcherOptions } from "./file-fetcher.ts";

/** Creates a fetcher that loads undici for its first request. */
export function createLazyFetcher(options: FileFetcherOptions): FileFetcher {
  let loading: Promise<FileFetcher> | undefined;
  const load = async (): Promise<FileFetcher> => {
    const { createFileFetcher } = await import("./file-fetcher.ts");
    return createFileFetcher(options);
  };
  return {
    async *fetch(...parts) {
      loading ??= load();
      yield* (await loading).fetch(...parts);
    },
    close: async () => (await loading)?.close(),
  };
}

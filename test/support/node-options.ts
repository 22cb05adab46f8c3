/** Options of Node for programs of tests. As with `npm start`, code that an earlier run compiled is taken from the cache. */
export const nodeOptions: readonly string[] = ["--import", new URL("../../src/compile-cache.js", import.meta.url).href];

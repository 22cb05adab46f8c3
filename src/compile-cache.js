// Node runs this file before it loads any other (`--import` in package.json and in the image), so that TypeScript need not be stripped
// and compiled again: the cache holds the results of earlier starts. That is why it is JavaScript.
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

// It lies with the installed packages. Without write access there, each start compiles anew.
enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/sessiond", import.meta.url)));

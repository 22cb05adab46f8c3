import { writeFile } from "node:fs/promises";
import { configurationPage } from "../config/page.ts";

// `npm run generate` runs this file: it writes docs/configuration.md.
await writeFile(new URL("../../docs/configuration.md", import.meta.url), configurationPage());

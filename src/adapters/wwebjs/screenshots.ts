import type { Screenshots } from "../../ports/engine.ts";
import type { EngineLife } from "../engine/engine-life.ts";
import type { WebClient } from "./client.ts";

/** The page of which screenshots are taken. */
export interface ShownPage {
  /** Resolves when the page is loaded. */
  readonly loaded: Promise<void>;
  client(): WebClient | undefined;
}

/** Returns the ability to take screenshots. Waits at most `limitMs` for the page to load, and as long for the picture. */
export function screenshotsOf({ loaded, client }: ShownPage, life: EngineLife, limitMs: number): Screenshots {
  return {
    async take() {
      await life.within(limitMs, loaded);
      const taking = client()?.picture();
      const picture = taking && (await life.within(limitMs, taking));
      if (!picture) throw new Error("the page is not there, or does not answer");
      return picture;
    },
  };
}

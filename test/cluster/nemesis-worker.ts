/**
 * Runs seeds on one cluster, for nemesis-runs.ts: the options and the seeds come as arguments, each report and each stage goes back as a
 * message.
 */
import { Nemesis, type NemesisOptions } from "./nemesis.ts";

const [options, seeds] = process.argv.slice(2).map((text) => JSON.parse(text)) as [NemesisOptions, readonly number[]];
const tell = (stage: string) => void process.send?.(stage);
tell("opening the cluster");
{
  await using nemesis = await Nemesis.open(options, tell);
  for (const seed of seeds) {
    const report = await nemesis.run(seed);
    await new Promise((resolve) => process.send?.(report, resolve));
    // Its broken promises would be held against the next seed.
    if (report.broken.length > 0) break;
  }
  tell("closing the cluster");
}
tell("ending");
// Without the channel nothing is left to keep this process alive.
process.disconnect?.();

import type { CDPSession, Page } from "puppeteer";
import { openChromium } from "../e2e/browser/chromium.ts";
import { ServerProcess } from "../e2e/server-process.ts";
import { connectGrpc, nowhere } from "../e2e/stream-clients.ts";
import { print } from "./session-goals.ts";

// The dashboard in Chromium: time until all sessions are listed, keystrokes in the search, changes under load, and memory.

type Client = ReturnType<typeof connectGrpc>;

const nameOf = (index: number) => `session-${String(index).padStart(5, "0")}`;

/** Creates stopped sessions with numbers in this range. */
async function createSessions(client: Client, first: number, end: number): Promise<void> {
  const indices = Array.from({ length: end - first }, (_, offset) => first + offset).values();
  const work = async () => {
    for (const index of indices) {
      const metadata = { team: `team-${index % 20}`, "user.id": String(index) };
      await client.sessions.createSession({ name: nameOf(index), start: false, config: { metadata } });
    }
  };
  await Promise.all(Array.from({ length: 50 }, work));
}

/** Opens the page, and returns the time from the end of the HTML until the paint of the complete list, in ms. */
async function timeOfList(page: Page, baseUrl: string, count: number): Promise<number> {
  await page.goto(`${baseUrl}/dashboard`);
  await page.waitForFunction(
    (text: string) => document.querySelector(".total")?.textContent === text,
    { polling: "raf" },
    `${count} sessions`,
  );
  return await page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        const [navigation] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
        requestAnimationFrame(() => resolve(performance.now() - (navigation?.responseEnd ?? 0)));
      }),
  );
}

/** Types and removes a word, and returns the time for each letter until the result is laid out, in ms. */
function timesOfKeystrokes(page: Page): Promise<number[]> {
  return page.evaluate(async () => {
    const input = document.querySelector<HTMLInputElement>("input[type=search]");
    if (input === null) throw new Error("the page has no search");
    const word = "team=team-7";
    const texts = Array.from(word, (_, index) => word.slice(0, index + 1));
    const times: number[] = [];
    for (const text of [...texts, ...texts.toReversed(), ""]) {
      await new Promise(requestAnimationFrame);
      const startMs = performance.now();
      input.value = text;
      input.dispatchEvent(new InputEvent("input", { bubbles: true }));
      // The result is rendered in a microtask.
      await new Promise<void>((resolve) => queueMicrotask(() => queueMicrotask(resolve)));
      document.body.getBoundingClientRect();
      times.push(performance.now() - startMs);
      const total = document.querySelector(".total")?.textContent;
      if (text === word && total !== "50 of 1000 sessions") throw new Error(`the search found ${total}`);
    }
    return times;
  });
}

/** Makes 200 changes a second, and returns the longest task of the page, in ms. */
async function longestTask(page: Page, client: Client, seconds: number): Promise<number> {
  await page.evaluate(() => {
    const tasks: number[] = [];
    Object.assign(globalThis, { longTasks: tasks });
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) tasks.push(duration);
    }).observe({ type: "longtask" });
  });
  const startMs = performance.now();
  const pending: Promise<unknown>[] = [];
  for (let count = 0; count < seconds * 200; count += 1) {
    const waitMs = startMs + count * 5 - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const metadata = { team: `team-${count % 20}`, "user.id": String(count) };
    pending.push(client.sessions.updateSession({ session: nameOf(count % 1_000), config: { metadata } }));
  }
  await Promise.all(pending);
  console.log(`${pending.length} changes in ${((performance.now() - startMs) / 1_000).toFixed(1)} s`);
  return await page.evaluate(() => Math.max(0, ...(globalThis as unknown as { longTasks: number[] }).longTasks));
}

/** Changes one visible session again and again. Returns the time from each call to the paint of its change, in ms. */
async function timesOfChanges(page: Page, client: Client, count: number): Promise<number[]> {
  await page.evaluate(() => {
    const paints = new Map<string, number>();
    Object.assign(globalThis, { paintOf: paints });
    new MutationObserver(() => {
      const text = document.querySelector("tbody tr .metadata")?.textContent ?? "";
      const mark = /mark=(\d+)/.exec(text)?.[1];
      if (mark === undefined || paints.has(mark)) return;
      paints.set(mark, Number.NaN);
      requestAnimationFrame(() => paints.set(mark, performance.timeOrigin + performance.now()));
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  const times: number[] = [];
  for (let mark = 0; mark < count; mark += 1) {
    const startMs = performance.timeOrigin + performance.now();
    await client.sessions.updateSession({ session: nameOf(0), config: { metadata: { mark: String(mark) } } });
    const handle = await page.waitForFunction(
      (wanted: string) => (globalThis as unknown as { paintOf: Map<string, number> }).paintOf.get(wanted) || undefined,
      { polling: "raf" },
      String(mark),
    );
    times.push(Number(await handle.jsonValue()) - startMs);
  }
  return times;
}

/** Returns the memory of the page's objects, MB. */
async function heapMb(cdp: CDPSession): Promise<number> {
  await cdp.send("HeapProfiler.collectGarbage");
  const { usedSize } = await cdp.send("Runtime.getHeapUsage");
  return usedSize / 1024 ** 2;
}

const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN;

const seconds = Number(process.argv[2] ?? 30);
await using stack = new AsyncDisposableStack();
const server = stack.use(await ServerProcess.start(nowhere));
const client = stack.use(connectGrpc(server.baseUrl));
const { browser } = stack.use(await openChromium());
const page = await browser.newPage();
await page.setViewport({ width: 1280, height: 800 });
const cdp = await page.createCDPSession();

await createSessions(client, 0, 1_000);
const lists: number[] = [];
for (let round = 0; round < 5; round += 1) lists.push(await timeOfList(page, server.baseUrl, 1_000));
print("1,000 sessions are painted, median of five, ms after the HTML", quantile(lists, 0.5), 300);
const keys = await timesOfKeystrokes(page);
print("a keystroke in the search of 1,000 sessions, p95, ms", quantile(keys, 0.95), 16);
print("a change is painted, p99, ms after its call", quantile(await timesOfChanges(page, client, 200), 0.99), 100);
print(`the longest task during ${seconds} s of 200 changes a second, ms`, await longestTask(page, client, seconds), 50);

await createSessions(client, 1_000, 10_000);
const large: number[] = [];
for (let round = 0; round < 3; round += 1) large.push(await timeOfList(page, server.baseUrl, 10_000));
print("10,000 sessions are painted, median of three, ms after the HTML", quantile(large, 0.5), 1_500);
print("memory of the page with 10,000 sessions, MB", await heapMb(cdp), 60);

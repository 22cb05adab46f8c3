import type { Writable } from "node:stream";
import { type HttpRequest, type HttpResponse, isGone, waitForDrain } from "./exchange.ts";
import { HttpProblem } from "./problem.ts";
import { requestHeaders } from "./rest/forward-headers.ts";
import type { PlainRequest, PlainRoute } from "./rest/transcoder.ts";

/** A file that the route serves. */
export interface ServedFile {
  readonly mimetype: string;
  /** "" for none. */
  readonly filename: string;
  readonly size: number;
  /** Opens the content from byte `start` on. */
  open(start: number, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
}

/** Options of the route. Errors are answered like those of RPCs. */
export interface FileRouteOptions {
  /** Throws or rejects for a caller who may not fetch files. */
  readonly admit: (header: Headers) => void | Promise<void>;
  /** Rejects if there is no such file. */
  readonly find: (session: string, file: string, signal: AbortSignal, header: Headers) => Promise<ServedFile>;
}

/** Types that browsers show without running anything. All others are saved. */
const shownTypes = /^(image\/(jpeg|png|gif|webp)|audio\/[\w.+-]+|video\/[\w.+-]+)$/;
const typeForm = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(; ?[\w-]+=[\w.+-]+)*$/;
const anyType = "application/octet-stream";

/** Returns the route GET /api/files/{session}/{file}. */
export const createFileRoute = ({ admit, find }: FileRouteOptions): PlainRoute => ({
  method: "GET",
  path: "/api/files/{session}/{file}",
  async handler({ req, res, variables }: PlainRequest) {
    const header = requestHeaders(req);
    await admit(header);
    const gone = new AbortController();
    res.once("close", () => gone.abort(new Error("the client has gone")));
    const file = await find(variables.get("session") ?? "", variables.get("file") ?? "", gone.signal, header);
    const part = partOf(req, file.size);
    if (part === "unsatisfiable") {
      res.setHeader("Content-Range", `bytes */${file.size}`);
      throw new HttpProblem(416, "The file has no such range");
    }
    const isHead = req.method === "HEAD";
    const content = isHead ? undefined : await file.open(part.start, gone.signal);
    writeHead(res, file, part);
    if (content) await write(res, content, part.end - part.start);
    else res.end();
  },
});

/** Part of a file: from `start` to before `end`. */
interface Part {
  readonly start: number;
  readonly end: number;
  readonly isWhole: boolean;
}

/** Returns the part that a request asks for. Requests for several parts get the whole (RFC 9110, section 14.2). */
function partOf(req: HttpRequest, size: number): Part | "unsatisfiable" {
  const whole = { start: 0, end: size, isWhole: true };
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(req.headers.range ?? "") ?? [];
  if (first === "" && last === "") return whole;
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size : Math.min(size, Number(last) + 1);
  if (start >= size || (first === "" && Number(last) === 0)) return "unsatisfiable";
  return end > start ? { start, end, isWhole: false } : whole;
}

function writeHead(res: HttpResponse, { mimetype, filename, size }: ServedFile, { start, end, isWhole }: Part): void {
  const type = typeForm.test(mimetype) ? mimetype : anyType;
  const isShown = shownTypes.test(type.split(";")[0] ?? "");
  res.statusCode = isWhole ? 200 : 206;
  res.setHeader("Content-Type", type);
  res.setHeader("Content-Length", String(end - start));
  res.setHeader("Content-Disposition", disposition(isShown ? "inline" : "attachment", filename));
  res.setHeader("Accept-Ranges", "bytes");
  res.setHeader("Cache-Control", "private, no-store");
  // The file is a stranger's: nothing in it may run here.
  res.setHeader("X-Content-Type-Options", "nosniff");
  res.setHeader("Content-Security-Policy", "sandbox; default-src 'none'");
  if (!isWhole) res.setHeader("Content-Range", `bytes ${start}-${end - 1}/${size}`);
}

/** Returns Content-Disposition, with the name in ASCII for old clients and in full (RFC 6266). */
function disposition(kind: "inline" | "attachment", filename: string): string {
  if (filename === "") return kind;
  const ascii = filename.replace(/[^\x20-\x7e]|["\\%]/g, "_");
  const full = encodeURIComponent(filename.toWellFormed()).replace(/['()*]/g, percentEncode);
  return `${kind}; filename="${ascii}"; filename*=UTF-8''${full}`;
}

const percentEncode = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;

/**
 * Sends `length` bytes at the client's pace. Cuts the connection if the content fails or ends early, so that no client takes it for whole.
 * The last bytes go out only when the content has ended well, as it may be checked at its end.
 */
async function write(res: HttpResponse, content: AsyncIterable<Uint8Array>, length: number): Promise<void> {
  const out: Writable = res;
  let left = length;
  let held: Uint8Array | undefined;
  try {
    for await (const bytes of content) {
      if (isGone(res)) return;
      if (held?.length && !out.write(held)) await waitForDrain(out);
      held = bytes.subarray(0, left);
      left -= held.length;
      if (held.length < bytes.length) break;
    }
  } catch {
    res.destroy();
    return;
  }
  if (left === 0) out.end(held);
  else res.destroy();
}

import { OutgoingContent_File_Kind as Kind } from "../../gen/sessiond/store/v1/store_pb.js";

/** Number of bytes at the start of a file that tell its type. */
export const headBytes = 64;

/** A type that a file's first bytes tell, and the declared types that fit it. */
interface Signature {
  readonly name: string;
  readonly matches: (head: Uint8Array, text: string) => boolean;
  readonly fits: RegExp;
}

const startsWith =
  (...bytes: readonly number[]) =>
  (head: Uint8Array): boolean =>
    bytes.every((byte, i) => head[i] === byte);
const beginsWith =
  (...beginnings: readonly string[]) =>
  (_: Uint8Array, text: string): boolean =>
    beginnings.some((beginning) => text.startsWith(beginning));

const pictures = /^image\//;
const recordings = /^(audio|video|application)\//;

/** Types whose files are easily told from others. A page in place of a file is what servers of expired links send. */
const signatures: readonly Signature[] = [
  { name: "image/jpeg", matches: startsWith(0xff, 0xd8, 0xff), fits: pictures },
  { name: "image/png", matches: startsWith(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a), fits: pictures },
  { name: "image/gif", matches: beginsWith("GIF87a", "GIF89a"), fits: pictures },
  { name: "image/webp", matches: (_, text) => text.startsWith("RIFF") && text.startsWith("WEBP", 8), fits: pictures },
  { name: "audio/wav", matches: (_, text) => text.startsWith("RIFF") && text.startsWith("WAVE", 8), fits: recordings },
  { name: "audio/ogg", matches: beginsWith("OggS"), fits: recordings },
  { name: "audio/mpeg", matches: beginsWith("ID3"), fits: recordings },
  { name: "video/mp4", matches: (_, text) => text.startsWith("ftyp", 4), fits: /^(audio|video|image|application)\// },
  { name: "video/webm", matches: startsWith(0x1a, 0x45, 0xdf, 0xa3), fits: recordings },
  { name: "application/pdf", matches: beginsWith("%PDF-"), fits: /^application\// },
  { name: "application/zip", matches: startsWith(0x50, 0x4b, 0x03, 0x04), fits: /^application\// },
  {
    name: "text/html",
    matches: (_, text) => /^\s*<(!doctype html|html)/i.test(text),
    fits: /^(text\/|application\/x?html)/,
  },
];

/** Declared type of a file of unknown type. */
const anyType = "application/octet-stream";

/** Returns the type that the beginning of a file tells, unless the declared type fits it. Most files tell nothing. */
export function contradictedType(mimetype: string, head: Uint8Array): string | undefined {
  const declared = essenceOf(mimetype);
  if (declared === anyType) return undefined;
  const text = String.fromCharCode(...head.subarray(0, headBytes));
  const found = signatures.find(({ matches }) => matches(head, text));
  return found && !found.fits.test(declared) ? found.name : undefined;
}

/** Media types that each kind of message can have. */
const families: Readonly<Record<Kind, RegExp>> = {
  [Kind.UNSPECIFIED]: /^/,
  [Kind.IMAGE]: /^image\//,
  [Kind.DOCUMENT]: /^/,
  [Kind.VOICE]: /^(audio\/|application\/ogg$)/,
  [Kind.VIDEO]: /^video\//,
  [Kind.VIDEO_NOTE]: /^video\//,
};
const familyNames: Readonly<Partial<Record<Kind, string>>> = {
  [Kind.IMAGE]: "image/…",
  [Kind.VOICE]: "audio/…",
  [Kind.VIDEO]: "video/…",
  [Kind.VIDEO_NOTE]: "video/…",
};

const mimetypeForm =
  /^[\w!#$&^.+-]{1,80}\/[\w!#$&^.+-]{1,80}(\s*;\s*[\w!#$&^.+-]{1,40}=("[^"\r\n]{0,80}"|[\w!#$&^.+-]{0,80}))*$/;

/** Returns the rule that a declared media type breaks, as the rest of a sentence; undefined if it can be sent as this kind. */
export function mimetypeProblem(mimetype: string, kind: Kind): string | undefined {
  if (mimetype === "") return "must not be empty";
  if (!mimetypeForm.test(mimetype)) return 'must be a media type such as "image/jpeg"';
  return families[kind].test(essenceOf(mimetype)) ? undefined : `must be ${familyNames[kind]} for this call`;
}

/** Returns a media type without its parameters. */
export const essenceOf = (mimetype: string): string => (mimetype.split(";")[0] ?? "").trim().toLowerCase();

/** Returns the last part of a URL's path as a name for the file; "" if there is none. */
export function nameInUrl(url: string): string {
  const last = URL.parse(url)?.pathname.split("/").at(-1) ?? "";
  try {
    return cleanName(decodeURIComponent(last));
  } catch {
    return cleanName(last);
  }
}

/** Returns a name for a file without separators of paths and control characters. */
export const cleanName = (name: string): string =>
  name
    .replace(/[\p{Cc}\p{Cf}]/gu, "")
    .split(/[\\/]/)
    .at(-1)
    ?.trim()
    .slice(0, 255) ?? "";

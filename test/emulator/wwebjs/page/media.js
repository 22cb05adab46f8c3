/** The parts of WhatsApp Web that prepare files and upload them. Without encryption, which is the page's own affair. */

const hashOf = async (blob) => {
  const hash = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
  return btoa(String.fromCharCode(...new Uint8Array(hash)));
};

/** A file in the page. */
class OpaqueData {
  constructor(file, type) {
    this.file = file;
    this.type = type;
  }

  static async createFromData(file, type) {
    return new OpaqueData(file, type);
  }

  url = () => URL.createObjectURL(this.file);
  autorelease() {}
  formData = () => this.file;
}

/** A file that is prepared. */
class MediaData {
  constructor(fields) {
    Object.assign(this, fields);
  }

  set(fields) {
    Object.assign(this, fields);
  }

  toJSON() {
    const { mediaBlob: _, renderableUrl: __, ...fields } = this;
    return fields;
  }
}

const typeOf = (mimetype, { isPtt, asDocument }) => {
  const [kind] = mimetype.split("/");
  if (asDocument || !["image", "video", "audio"].includes(kind)) return "document";
  return kind === "audio" && isPtt ? "ptt" : kind;
};

/** Returns the attributes of a received message with a file, which the page resolves before it is fetched. */
export function receivedFile({ directPath, size, ...file }, caption) {
  const mediaData = { mediaStage: "INIT" };
  const downloadMedia = async () => {
    const { ok } = await fetch(directPath, { method: "HEAD" });
    mediaData.mediaStage = ok ? "RESOLVED" : "ERROR_MISSING";
  };
  return { ...file, caption, body: "", directPath, size, mediaKey: "key", mediaData, downloadMedia };
}

/** Returns the modules; `upload` stores a file at the server and returns its path. */
export function mediaModules(upload) {
  const objects = new Map();
  return {
    WAWebMediaOpaqueData: OpaqueData,
    WAWebPrepRawMedia: {
      prepRawMedia: (mediaBlob, options) => ({
        async waitForPrep() {
          const { file, type: mimetype } = mediaBlob;
          const filehash = await hashOf(file);
          const { size, name: filename } = file;
          objects.set(filehash, { filehash, size, file, contentInfo: {}, consolidate() {} });
          return new MediaData({ type: typeOf(mimetype, options), mimetype, filename, size, filehash, mediaBlob });
        },
      }),
    },
    WAWebDownloadManager: {
      downloadManager: {
        async downloadAndMaybeDecrypt({ directPath }) {
          const response = await fetch(directPath);
          if (!response.ok) throw Object.assign(new Error("download failed"), { status: response.status });
          return response.arrayBuffer();
        },
      },
    },
    WAWebMediaStorage: { getOrCreateMediaObject: (filehash) => objects.get(filehash) },
    WAWebMmsMediaTypes: { msgToMediaType: ({ type }) => type, castToV4: (type) => type },
    WAWebMediaDataUtils: { shouldUseMediaCache: () => false },
    WAWebMediaMmsV4Upload: {
      async uploadMedia({ mediaObject: { file } }) {
        const directPath = await upload(file);
        return { mediaEntry: { directPath, mmsUrl: new URL(directPath, location.href).href } };
      },
    },
  };
}

/** Stores a file at the server. */
export async function uploadFile(file) {
  const response = await fetch("/mms", { method: "POST", body: file });
  if (!response.ok) throw new Error(`upload failed: ${response.status}`);
  return response.text();
}

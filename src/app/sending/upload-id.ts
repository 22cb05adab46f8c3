/** Form of the ids of uploads. The first part cannot be guessed, the second one names a node of a cluster. */
const form = /^[0-9a-f]{32}(?:\.([\w-]+))?$/;
/** Form of the URL of an upload. */
const urlForm = /\/api\/[^/]+\/media\/([0-9a-f]{32}(?:\.[\w-]+)?)$/;

/** Returns the id of an upload that a node has in its spool; without a node, the server is the only one. */
export const uploadIdAt = (node: string | undefined, spoolId: string): string =>
  node === undefined ? spoolId : `${spoolId}.${Buffer.from(node).toString("base64url")}`;

/** Returns the name of the node that has an upload; undefined if the id names none. */
export function nodeOfUpload(id: string): string | undefined {
  const [, node] = form.exec(id) ?? [];
  return node && Buffer.from(node, "base64url").toString();
}

/** Returns the id in the URL of an upload; undefined for every other URL. */
export const uploadIn = (url: string): string | undefined => urlForm.exec(url)?.[1];

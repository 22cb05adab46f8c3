/** Characters of a text that are decoded at a time: a multiple of 4. */
export const base64Step = 64 * 1024;

const beforeData = /^data:[^,]{0,200};base64,/i;
const wholeForm = /^[A-Za-z0-9+/_-]*={0,2}$/;

/** Returns base64 without what callers put around it: a "data:" prefix, and line breaks. Undefined if it is not base64 in either alphabet. */
export function plainBase64(text: string): string | undefined {
  const data = text.replace(beforeData, "");
  const plain = /\s/.test(data) ? data.replace(/\s+/g, "") : data;
  const isWhole = plain.endsWith("=") ? plain.length % 4 === 0 : plain.length % 4 !== 1;
  return isWhole && wholeForm.test(plain) ? plain : undefined;
}

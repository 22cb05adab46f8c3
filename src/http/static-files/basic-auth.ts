import { createHash, timingSafeEqual } from "node:crypto";

/** Who may look. */
export type Login = { readonly username: string; readonly password: string };

/** What a client without a login is told: RFC 7617, section 2. */
export const basicChallenge = 'Basic realm="sessiond", charset="UTF-8"';

/** Checks Authorization headers against a login. A wrong one takes as long as the right one, whatever they have in common. */
export function loginVerifier(login: Login): (authorization: string | undefined) => boolean {
  const expected = digest(Buffer.from(`${login.username}:${login.password}`));
  return (authorization) => {
    const [, encoded] = /^Basic +([\w+/-]*={0,2}) *$/i.exec(authorization ?? "") ?? [];
    return encoded !== undefined && timingSafeEqual(digest(Buffer.from(encoded, "base64")), expected);
  };
}

const digest = (data: Buffer): Buffer => createHash("sha256").update(data).digest();

import { createHash, timingSafeEqual } from "node:crypto";

/** User name and password of a person. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

/** Value of WWW-Authenticate for a request without a login (RFC 7617, section 2). */
export const basicChallenge = 'Basic realm="sessiond", charset="UTF-8"';

/** Returns a function that checks Authorization headers against a login, in the same time for every header. */
export function createLoginVerifier(login: Login): (authorization: string | undefined) => boolean {
  const expected = digest(Buffer.from(`${login.username}:${login.password}`));
  return (authorization) => {
    const [, encoded] = /^Basic +([\w+/-]*={0,2}) *$/i.exec(authorization ?? "") ?? [];
    return encoded !== undefined && timingSafeEqual(digest(Buffer.from(encoded, "base64")), expected);
  };
}

/** Returns a function that checks a user name and a password, in the same time for all. */
export function createPasswordVerifier(login: Login): (presented: Login) => boolean {
  const username = digest(Buffer.from(login.username));
  const password = digest(Buffer.from(login.password));
  return (presented) => {
    const isUser = timingSafeEqual(digest(Buffer.from(presented.username)), username);
    return timingSafeEqual(digest(Buffer.from(presented.password)), password) && isUser;
  };
}

const digest = (data: Buffer): Buffer => createHash("sha256").update(data).digest();

import { codeOf, NotConnected, sqlStateOf } from "./failures.ts";

/** Returns where a URL leads, without its login: "host:port/database". */
export function placeOf(url: string): string {
  const { hostname, port, pathname, searchParams } = new URL(url);
  const host = searchParams.get("host") || hostname || "localhost";
  return `${host}:${port || searchParams.get("port") || "5432"}${pathname}`;
}

/** Returns the reason why PostgreSQL cannot be used, and what to do if that is known, as the rest of a sentence. Never names the login. */
export function reasonOf(error: unknown): string {
  const cause = error instanceof NotConnected ? error.cause : error;
  return refusalOf(cause) ?? (cause instanceof Error ? cause.message : String(cause));
}

function refusalOf(error: unknown): string | undefined {
  const message = error instanceof Error ? error.message : "";
  const code = codeOf(error);
  const state = sqlStateOf(error);
  switch (state) {
    case "28P01":
    case "28000":
      return "it refuses the login: check the user and the password in SESSIOND_STORE";
    case "3D000":
      return "the database does not exist: create it (CREATE DATABASE), or correct its name in SESSIOND_STORE";
    case "42501":
      return (
        `the user lacks a right (${message}): grant CONNECT and CREATE on the database, and make the user the owner of the schema ` +
        "sessiond if that exists"
      );
    case "53300":
      return "it has no connection left: raise max_connections, as sessiond needs four";
    case "57P03":
      return "it is starting or stopping: start sessiond again when it is ready";
    case "55P03":
      return (
        "another process has locked it for long, such as a sessiond that brings its schema up to date: wait for that one, or end the " +
        "process that pg_locks shows"
      );
    case "42P01":
    case "42703":
    case "42883":
      return `its schema sessiond is incomplete (${message}): restore the database, or drop the schema to begin anew`;
    case "25006":
      return "it is read-only: SESSIOND_STORE must lead to the primary";
  }
  if (state !== undefined) return undefined;
  if (/client password/.test(message)) return "it asks for a password: add it to SESSIOND_STORE";
  if (/does not support SSL/i.test(message))
    return "it does not speak TLS: remove sslmode from SESSIOND_STORE, or set up TLS there";
  if (code === "ENOENT" && /^ENOENT.*open/.test(message))
    return `a file named in SESSIOND_STORE cannot be read (${message})`;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "its host is unknown: check the host in SESSIOND_STORE";
  if (code !== undefined && /^(E[A-Z]+|ERR_TLS\w*|\w*CERT\w*)$/.test(code)) {
    return `it cannot be reached (${code}): check the host and the port in SESSIOND_STORE, and that PostgreSQL is running`;
  }
  if (/timeout|terminated/i.test(message)) {
    return "it does not answer: check the host and the port in SESSIOND_STORE, and that PostgreSQL is running";
  }
  return undefined;
}

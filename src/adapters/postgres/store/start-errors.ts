import { codeOf, sqlStateOf } from "./failures.ts";

/** Returns where a URL leads, without its login: "host:port/database". */
export function placeOf(url: string): string {
  const { hostname, port, pathname, searchParams } = new URL(url);
  const host = hostname || searchParams.get("host") || "localhost";
  return `${host}:${port || "5432"}${pathname}`;
}

/** Returns the reason why PostgreSQL cannot be used, and what to do, as the rest of a sentence; undefined for any other error. */
export function refusalOf(error: unknown): string | undefined {
  const code = codeOf(error);
  const state = sqlStateOf(error);
  switch (state) {
    case "28P01":
    case "28000":
      return "it refuses the login: check the user and the password in SESSIOND_STORE";
    case "3D000":
      return "the database does not exist: create it (CREATE DATABASE), or correct its name in SESSIOND_STORE";
    case "42501":
      return "the user lacks a right: let it create schemas in the database (GRANT CREATE ON DATABASE … TO …)";
    case "53300":
      return "it has no connection left: raise max_connections, as sessiond needs four";
    case "57P03":
      return "it is starting or stopping: start sessiond again when it is ready";
    case "25006":
      return "it is read-only: SESSIOND_STORE must lead to the primary";
  }
  if (state !== undefined) return undefined;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "its host is unknown: check the host in SESSIOND_STORE";
  if (code !== undefined && /^(E[A-Z]+|ERR_TLS\w*|\w*CERT\w*)$/.test(code)) {
    return `it cannot be reached (${code}): check the host and the port in SESSIOND_STORE, and that PostgreSQL is running`;
  }
  if (error instanceof Error && /timeout|terminated/i.test(error.message)) {
    return "it does not answer: check the host and the port in SESSIOND_STORE, and that PostgreSQL is running";
  }
  return undefined;
}

import { ConfigError, type Kind, url } from "./kinds.ts";

const form = "postgres://user:password@host:port/database";
const remedy = "write @ : / ? # and % within a user or a password as %40 %3A %2F %3F %23 and %25";

/** URL of a database in PostgreSQL. Errors repeat no part of it, since it holds a password. */
export const postgresUrl: Kind<string> = {
  ...url("postgres:", "postgresql:"),
  parse(value, name) {
    const text = value.trim();
    const place = URL.parse(text);
    if (!place || !/^postgres(ql)?:$/.test(place.protocol) || !/^\w+:\/\//.test(text)) {
      throw new ConfigError(
        `${name} must be a URL like ${form}, or unset for the store in the data directory; ${remedy}`,
      );
    }
    // Such a character is the rest of a password, which would be taken for a name that logs may show.
    if (place.hash !== "" || /[@/]/.test(place.pathname.slice(1)) || place.search.includes("@")) {
      throw new ConfigError(`${name} must be a URL like ${form}; ${remedy}`);
    }
    if (place.pathname.length < 2) throw new ConfigError(`${name} must name a database: ${form}`);
    for (const part of [place.username, place.password, place.pathname, place.hostname]) checkEscapes(part, name);
    return text;
  },
};

function checkEscapes(part: string, name: string): void {
  try {
    decodeURIComponent(part);
  } catch {
    throw new ConfigError(`${name} has a % that begins no escape: ${remedy}`);
  }
}

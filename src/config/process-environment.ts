import { homedir } from "node:os";
import { type Environment, unquoted } from "./environment.ts";

/**
 * Returns a HOME where none can be found: node:os throws for a user id without a name (`docker run --user 54321`, OpenShift), and with
 * it puppeteer while it is loaded. "/" is what container engines set then; nobody else can put a configuration file there.
 */
export function homeFor(findHome: () => string): { HOME?: string } {
  try {
    findHome();
    return {};
  } catch {
    return { HOME: "/" };
  }
}

/** They write the passwords of proxies. */
const leaks = ["https-proxy-agent*", "socks-proxy-agent*"];
/** All that passes between the server and its browsers: proxy passwords, QR codes, messages. */
const traffic = "puppeteer:protocol:*";

/** Returns DEBUG for the library `debug`, without the namespaces that write secrets; the browsers' traffic has to be asked for by name. */
export function debugFor({ DEBUG: value = "" }: Environment): { DEBUG?: string } {
  const names = (unquoted(value) ?? value).trim();
  if (names === "" || /^(true|1)$/i.test(names)) return {};
  const hidden = names.includes("puppeteer:protocol") ? leaks : [...leaks, traffic];
  return { DEBUG: [names, ...hidden.map((name) => `-${name}`)].join(",") };
}

// Libraries read these by themselves, some of them while they are loaded: so main.ts imports this file before all others.
Object.assign(process.env, homeFor(homedir), debugFor(process.env));

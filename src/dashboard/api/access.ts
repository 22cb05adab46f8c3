import { signal } from "@preact/signals";
import { baseUrl } from "../base-url.ts";

/** Answer of the server about logins, before there is one. */
export interface LoginOptions {
  /** False on a server without an API key. */
  readonly required: boolean;
  readonly loggedIn: boolean;
  /** True if a user name and a password are accepted in place of the key. */
  readonly password: boolean;
  /** True if the dashboard may change anything. */
  readonly readonly: boolean;
}

/** A login as the person has typed it. */
export type Credentials = { readonly key: string } | { readonly username: string; readonly password: string };

/** Outcome of an attempt to log in. A message says why the server does not take it. */
export type LoginOutcome =
  | "accepted"
  | "refused"
  | "unreachable"
  | { readonly retryAfterSeconds: number }
  | { readonly message: string };

/** Undefined until the server has said it. Any call that is refused for the lack of a login sets it to false. */
export const isLoggedIn = signal<boolean | undefined>(undefined);

/** Returns true if the last login has ended by itself, and not by a logout. */
export const hasExpired = signal(false);

export const loginOptions = signal<LoginOptions>({
  required: true,
  loggedIn: false,
  password: false,
  readonly: false,
});

/** Message to the other tabs of the browser, which share the login. */
type LoginMessage = "login" | "logout" | "expired";

const tabs = new BroadcastChannel(`sessiond-login ${baseUrl}`);
tabs.onmessage = ({ data }: MessageEvent<LoginMessage>) => {
  if (data === "logout") forgetLogin();
  // Another server on this address may have answered the other tab.
  else void loadLoginOptions().catch(() => {});
};

const forgetters: (() => void)[] = [];

/** Calls `forget` at each logout, for what is kept beyond the end of a login. */
export function onLogout(forget: () => void): void {
  forgetters.push(forget);
}

/** Asks the server which logins there are, and whether this browser has one. Rejects if the server cannot be reached. */
export async function loadLoginOptions(): Promise<void> {
  const answer = await fetch(`${baseUrl}dashboard/login`, { headers: { accept: "application/json" } });
  if (!answer.ok && answer.status !== 404) throw new Error(`the server answered ${answer.status}`);
  // A server without logins tells by its first refusal whether it needs a key.
  const options: LoginOptions = answer.ok ? await answer.json() : { ...loginOptions.peek(), required: false };
  loginOptions.value = options;
  isLoggedIn.value = options.loggedIn || !options.required;
}

/** Exchanges a key or a password for the cookie of a login. The page forgets both at once. */
export async function logIn(credentials: Credentials): Promise<LoginOutcome> {
  const answer = await post("login", credentials).catch(() => undefined);
  if (answer === undefined) return "unreachable";
  if (answer.status === 429) return { retryAfterSeconds: Number(answer.headers.get("retry-after")) || 60 };
  if (answer.status === 401) return "refused";
  if (!answer.ok) return { message: await messageIn(answer) };
  await loadLoginOptions().catch(() => {});
  hasExpired.value = false;
  isLoggedIn.value = true;
  tabs.postMessage("login" satisfies LoginMessage);
  return "accepted";
}

/** Ends the login at the server. Its streams end too, in all tabs. Rejects if the server cannot be reached. */
export async function logOut(): Promise<void> {
  const answer = await post("logout", {});
  if (!answer.ok && answer.status !== 401) throw new Error(await messageIn(answer));
  forgetLogin();
  tabs.postMessage("logout" satisfies LoginMessage);
}

/** Shows the login in all tabs after a call was refused for the lack of one. */
export function noteExpiry(): void {
  if (isLoggedIn.peek() === false) return;
  hasExpired.value = isLoggedIn.peek() === true && loginOptions.peek().required;
  isLoggedIn.value = false;
  tabs.postMessage("expired" satisfies LoginMessage);
}

function forgetLogin(): void {
  for (const forget of forgetters) forget();
  hasExpired.value = false;
  isLoggedIn.value = false;
}

async function messageIn(answer: Response): Promise<string> {
  const body: unknown = await answer.json().catch(() => undefined);
  const message = typeof body === "object" && body !== null && "message" in body ? body.message : undefined;
  return typeof message === "string" ? message : `The server answered ${answer.status}.`;
}

function post(call: "login" | "logout", body: object): Promise<Response> {
  return fetch(`${baseUrl}dashboard/${call}`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(body),
  });
}

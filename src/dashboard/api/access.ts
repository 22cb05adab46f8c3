import { signal } from "@preact/signals";
import { baseUrl } from "../base-url.ts";

/** What the server says about logins before there is one. */
export interface LoginOptions {
  /** False on a server without an API key. */
  readonly required: boolean;
  readonly loggedIn: boolean;
  /** Whether a user name and a password are accepted in place of the key. */
  readonly password: boolean;
  /** Whether the dashboard may change anything. */
  readonly readonly: boolean;
}

/** A login as the person has typed it. */
export type Credentials = { readonly key: string } | { readonly username: string; readonly password: string };

/** Outcome of an attempt to log in. */
export type LoginOutcome = "accepted" | "refused" | "unreachable" | { readonly retryAfterSeconds: number };

/** Undefined until the server has said it. Any call that is refused for the lack of a login sets it to false. */
export const isLoggedIn = signal<boolean | undefined>(undefined);

export const loginOptions = signal<LoginOptions>({
  required: true,
  loggedIn: false,
  password: false,
  readonly: false,
});

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
  if (answer.status === 429) return { retryAfterSeconds: Number(answer.headers.get("retry-after") ?? 60) };
  if (!answer.ok) return answer.status === 401 ? "refused" : "unreachable";
  await loadLoginOptions().catch(() => {});
  isLoggedIn.value = true;
  return "accepted";
}

/** Ends the login at the server. Its streams end too, in all tabs. */
export async function logOut(): Promise<void> {
  await post("logout", {});
  isLoggedIn.value = false;
}

function post(call: "login" | "logout", body: object): Promise<Response> {
  return fetch(`${baseUrl}dashboard/${call}`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(body),
  });
}

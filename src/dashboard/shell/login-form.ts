import { h, html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Credentials, hasExpired, type LoginOutcome, logIn, loginOptions } from "../api/access.ts";
import { serverNowMs } from "../api/server-clock.ts";
import { currentMs } from "../ui/time.ts";

/** Asks for the API key, or for a user name and password where the server takes them. */
export const LoginForm = () => {
  const [byPassword, setByPassword] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState(hasExpired.peek() ? "The login has ended. Log in again to go on." : "");
  const [retryAtMs, setRetryAtMs] = useState(0);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => form.current?.querySelector("input")?.focus(), [byPassword]);

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    if (form.current === null || isBusy) return;
    setBusy(true);
    setFault("");
    const outcome = await logIn(credentialsOf(new FormData(form.current)));
    setBusy(false);
    if (outcome === "accepted") return;
    form.current?.reset();
    setFault(faultOf(outcome, byPassword));
    if (typeof outcome === "object" && "retryAfterSeconds" in outcome) {
      setRetryAtMs(serverNowMs() + outcome.retryAfterSeconds * 1_000);
    }
  }

  const waitSeconds = Math.max(0, Math.ceil((retryAtMs - currentMs.value) / 1_000));
  return html`
    <main class="login">
      <form ref=${form} onSubmit=${submit} aria-labelledby="login-title">
        <h1 id="login-title">sessiond</h1>
        ${byPassword ? h(PasswordFields, {}) : h(KeyField, {})}
        <p class="fault" role="alert">${fault}</p>
        <button type="submit" class="primary" disabled=${isBusy || waitSeconds > 0}>
          ${isBusy ? "Logging in …" : waitSeconds > 0 ? `Log in again in ${waitSeconds} s` : "Log in"}
        </button>
        ${
          loginOptions.value.password &&
          html`<button type="button" class="link" onClick=${() => setByPassword(!byPassword)}>
            ${byPassword ? "Use the API key" : "Use a user name and password"}
          </button>`
        }
      </form>
    </main>
  `;
};

const KeyField = () => html`
  <label>API key <input name="key" type="password" required autocomplete="current-password" spellcheck="false" /></label>
`;

const PasswordFields = () => html`
  <label>User name <input name="username" required autocomplete="username" spellcheck="false" /></label>
  <label>Password <input name="password" type="password" required autocomplete="current-password" /></label>
`;

function credentialsOf(data: FormData): Credentials {
  const text = (name: string) => String(data.get(name) ?? "");
  return data.has("key") ? { key: text("key").trim() } : { username: text("username"), password: text("password") };
}

function faultOf(outcome: Exclude<LoginOutcome, "accepted">, byPassword: boolean): string {
  if (outcome === "refused") return byPassword ? "User name or password are wrong." : "The API key is wrong.";
  if (outcome === "unreachable") return "The server cannot be reached. Try again.";
  if ("message" in outcome) return outcome.message;
  return `Too many attempts. Try again in ${outcome.retryAfterSeconds} s.`;
}

import { h, html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Credentials, type LoginOutcome, logIn, loginOptions } from "../api/access.ts";

/** Asks for the API key, or for a user name and password where the server takes them. */
export const LoginForm = () => {
  const [byPassword, setByPassword] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState("");
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
  }

  return html`
    <main class="login">
      <form ref=${form} onSubmit=${submit} aria-labelledby="login-title">
        <h1 id="login-title">sessiond</h1>
        ${byPassword ? h(PasswordFields, {}) : h(KeyField, {})}
        <p class="fault" role="alert">${fault}</p>
        <button type="submit" class="primary" disabled=${isBusy}>${isBusy ? "Logging in …" : "Log in"}</button>
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
  return `Too many attempts. Try again in ${outcome.retryAfterSeconds} s.`;
}

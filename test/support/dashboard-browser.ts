import assert from "node:assert/strict";

/** Headers that a browser adds to the calls of a page of the server, over TLS or on localhost. */
export const ownPage = { "sec-fetch-site": "same-origin" } as const;

/** A browser with the dashboard open: remembers the cookie, and calls as a page of the server does. */
export class DashboardBrowser {
  readonly #url: string;
  /** Headers that tell the sender. */
  readonly page: Readonly<Record<string, string>>;
  cookie = "";

  constructor(url: string, page: Readonly<Record<string, string>> = ownPage) {
    this.#url = url;
    this.page = page;
  }

  /** Headers of a call. */
  get headers(): Record<string, string> {
    return { ...this.page, ...(this.cookie !== "" && { cookie: this.cookie }) };
  }

  async get(path: string): Promise<Response> {
    return fetch(this.#url + path, { headers: this.headers, redirect: "manual" });
  }

  async post(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    const answer = await fetch(this.#url + path, {
      method: "POST",
      headers: { ...this.headers, "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
    const [set] = answer.headers.getSetCookie();
    if (set !== undefined) this.cookie = /Max-Age=0/.test(set) ? "" : (set.split(";", 1)[0] ?? "");
    return answer;
  }

  /** Logs in; the server must accept it. */
  async logIn(proof: object): Promise<this> {
    const answer = await this.post("/dashboard/login", proof);
    assert.equal(answer.status, 204, await answer.text());
    return this;
  }

  /** Returns what the page shows to a person who comes. */
  async options(): Promise<unknown> {
    return (await this.get("/dashboard/login")).json();
  }

  /** Calls an RPC, and returns the HTTP status. */
  async call(rpc: string, headers: Readonly<Record<string, string>> = {}): Promise<number> {
    const answer = await this.post(`/sessiond.v1.${rpc}`, {}, headers);
    await answer.body?.cancel();
    return answer.status;
  }
}

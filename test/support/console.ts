/** The operator's pages beside a test fleet, and a person at a browser that runs no scripts. */
import { loadConfig } from "../../src/config.ts";
import type { Durations } from "../../src/config/durations.ts";
import { openConsole } from "../../src/console/open-console.ts";
import { hashPassword } from "../../src/console/password.ts";
import type { PersonRole } from "../../src/domain/person.ts";
import { NO_CAPS, type SpendCaps } from "../../src/domain/route.ts";
import { makeLink } from "../../src/store/console-sessions.ts";
import type { Store } from "../../src/store/redis.ts";
import type { TestFleet } from "../../src/testing.ts";
import { startTestApi, type TestApi } from "./api.ts";

export const PASSWORD = "correct horse battery";

export async function startTestConsole(
  fleet: TestFleet,
  more: {
    caps?: SpendCaps;
    durations?: Partial<Durations>;
    /** Each with `PASSWORD`. */
    users?: Readonly<Record<string, PersonRole>>;
    /** As a users file has them. */
    lines?: readonly string[];
    environment?: string;
    /** Where people reach it, behind whatever ends their TLS. */
    url?: string;
  } = {},
): Promise<TestApi> {
  const users = await Promise.all(
    Object.entries(more.users ?? {}).map(
      async ([name, role]) => `${name}:${role}:${await hashPassword(PASSWORD)}`,
    ),
  );
  users.push(...(more.lines ?? []));
  const config = loadConfig({});
  return startTestApi(fleet, {
    durations: { ...config.durations, ...more.durations },
    openPages: openConsole({
      ...config,
      caps: more.caps ?? NO_CAPS,
      console: {
        ...config.console,
        users: users.length === 0 ? null : users.join("\n"),
        environment: more.environment ?? null,
        url: more.url ?? null,
      },
    }),
  });
}

export interface Read {
  status: number;
  headers: Headers;
  text: string;
  /** Where a redirect leads. */
  to: string | null;
}

/** Keeps its cookie, says where requests come from as browsers do, and follows nothing by itself. */
export class Visitor {
  readonly #url: string;
  cookie: string | null = null;

  constructor(api: { url: string }) {
    this.#url = api.url;
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Read> {
    return this.#ask("GET", path, { "Sec-Fetch-Site": "none", ...headers });
  }

  post(path: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Read> {
    const from = { "Sec-Fetch-Site": "same-origin", Origin: this.#url };
    return this.#ask("POST", path, { ...from, ...headers }, new URLSearchParams(fields));
  }

  /** Fields of one name may stand several times. */
  postAll(path: string, fields: [string, string][]): Promise<Read> {
    const from = { "Sec-Fetch-Site": "same-origin", Origin: this.#url };
    return this.#ask("POST", path, from, new URLSearchParams(fields));
  }

  /** As Bull Board's page does it. */
  put(path: string, headers: Record<string, string> = {}): Promise<Read> {
    const from = { "Sec-Fetch-Site": "same-origin", Origin: this.#url };
    return this.#ask("PUT", path, { ...from, ...headers });
  }

  /** The token of the forms on a page. */
  async token(): Promise<string> {
    const { text } = await this.get("/console");
    const [, csrf] = /name="csrf" value="([^"]+)"/.exec(text) ?? [];
    if (csrf === undefined) throw new Error(`No form on the overview: ${text.slice(0, 500)}`);
    return csrf;
  }

  /** Sends a form as it stands on a page of this session. */
  async send(path: string, fields: Record<string, string>): Promise<Read> {
    return this.post(path, { csrf: await this.token(), back: "/console", ...fields });
  }

  async #ask(
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: URLSearchParams,
  ): Promise<Read> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      redirect: "manual",
      headers: { ...headers, ...(this.cookie === null ? {} : { Cookie: this.cookie }) },
      ...(body === undefined ? {} : { body }),
    });
    for (const set of response.headers.getSetCookie()) {
      const [pair = ""] = set.split(";");
      this.cookie = pair.endsWith("=") ? null : pair;
    }
    const { status } = response;
    const text = await response.text();
    return { status, headers: response.headers, text, to: response.headers.get("Location") };
  }
}

/** Somebody who came in by a one-time link. */
export async function signedIn(
  api: { url: string },
  store: Store,
  role: PersonRole,
  name = `a-${role}`,
): Promise<Visitor> {
  const visitor = new Visitor(api);
  const link = await makeLink(store, { name, role }, 60_000);
  const { status, text } = await visitor.post(`/console/link/${link}`, {});
  if (status !== 303) throw new Error(`The link did not sign in: ${status} ${text}`);
  return visitor;
}

/** The HTTP API beside a test fleet, and a caller that keeps what it was answered. */
import { z } from "zod";
import { ROUTES } from "../../src/api/routes.ts";
import { loadConfig } from "../../src/config.ts";
import type { Scope } from "../../src/domain/api-key.ts";
import { startApi, type ApiRole } from "../../src/api/start-api.ts";
import type { ServedApi } from "../../src/api/serve-api.ts";
import { createExposition } from "../../src/observability/exposition.ts";
import { ProcessMetrics } from "../../src/observability/process-metrics.ts";
import { createApiKey } from "../../src/store/api-keys.ts";
import type { Store } from "../../src/store/redis.ts";
import type { TestFleet } from "../../src/testing.ts";
import { testRedisUrl } from "./redis.ts";

export interface TestApi extends ServedApi {
  /** What was reported as unexpected. */
  errors: unknown[];
}

export async function startTestApi(fleet: TestFleet, more: Partial<ApiRole> = {}): Promise<TestApi> {
  const errors: unknown[] = [];
  const { types, accountLimits, caps, durations } = fleet.fleet.workshop;
  const { processId } = fleet.fleet;
  const measured = new ProcessMetrics({ version: "0.0.0", roles: ["api"] });
  const served = await startApi({
    redisUrl: testRedisUrl(),
    patient: fleet.store,
    types,
    models: null,
    accountLimits,
    spoolDir: null,
    durations: loadConfig({}).durations,
    listen: { host: "127.0.0.1", port: 0, requestsPerMinute: 1_000_000 },
    health: { unreadyBecause: () => null },
    metrics: {
      exposition: createExposition(measured, {
        store: fleet.store,
        processId,
        types,
        caps,
        reviewDeadlineMs: durations.reviewDeadlineMs,
      }),
      token: null,
    },
    onRequest: (request) => measured.observeRequest(request),
    onError: (error) => errors.push(error),
    ...more,
  });
  return { ...served, errors };
}

export async function aKey(
  store: Store,
  account: string | null,
  ...scopes: Scope[]
): Promise<{ id: string; text: string }> {
  const created = await createApiKey(store, {
    name: "a test",
    account,
    scopes,
    expiresAt: null,
    by: "a test",
  });
  return { id: created.key.id, text: created.text };
}

export interface Answered {
  status: number;
  headers: Headers;
  text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads whatever was answered
  json: any;
}

export async function call(
  api: { url: string },
  key: { text: string } | null,
  method: string,
  path: string,
  more: { body?: unknown; raw?: string | Buffer; headers?: Record<string, string> } = {},
): Promise<Answered> {
  const raw = typeof more.raw === "object" ? Uint8Array.from(more.raw) : more.raw;
  const body = raw ?? (more.body === undefined ? undefined : JSON.stringify(more.body));
  const response = await fetch(`${api.url}${path}`, {
    method,
    headers: {
      ...(key === null ? {} : { Authorization: `Bearer ${key.text}` }),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...more.headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  let json: unknown = null;
  try {
    json = JSON.parse(text);
  } catch {
    // Not everything is JSON.
  }
  expectDocumented(method, path, response.status, json);
  return { status: response.status, headers: response.headers, text, json };
}

/** What was answered is what the OpenAPI document says, whichever test has asked. */
function expectDocumented(method: string, path: string, status: number, json: unknown): void {
  if (status >= 300 || json === null) return;
  const [address = "", query] = path.split("?");
  const route = ROUTES.find(
    (one) =>
      one.method === method.toLowerCase() &&
      new RegExp(`^${one.path.replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(address),
  );
  const answer = query === "dry_run=true" ? route?.dryRun : route?.answer;
  const schema = answer?.schema as z.ZodType | undefined;
  const parsed = schema?.safeParse(json);
  if (parsed?.success === false)
    throw new Error(`${method} ${path} is not answered as documented: ${z.prettifyError(parsed.error)}`);
}

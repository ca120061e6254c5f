/**
 * Every route with every kind of key, from the registry itself: a route that is added tomorrow is tried here without
 * anybody thinking of it. One account's data is marked, and no byte of it may reach anybody else.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROUTES } from "../../src/api/routes.ts";
import type { Route } from "../../src/api/route.ts";
import { SCOPES, SCOPES_OF_THE_FLEET } from "../../src/domain/api-key.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { listCases } from "../../src/store/cases.ts";
import { startTestFleet, type TestFleet } from "../../src/testing.ts";
import { aKey, call, startTestApi, type Answered, type TestApi } from "../support/api.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";

const OWNER = "canary-company";
const CANARY = "canary-topic-7f3a";

let fleet: TestFleet;
let api: TestApi;
let delivered: ReportId;
let parked: ReportId;
let caseId: string;
let group: string;
beforeAll(async () => {
  fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("tenancy"),
    types: [aTopicType],
    faults: [{ match: { contains: "Write the first part about parked" }, fault: { kind: "refusal" } }],
  });
  api = await startTestApi(fleet);
  await fleet.grant(OWNER, 100);
  await fleet.grant("other", 100);
  delivered = await fleet.submit({ account: OWNER, type: "topic", source: { topic: CANARY } });
  parked = await fleet.submit({ account: OWNER, type: "topic", source: { topic: `parked ${CANARY}` } });
  await fleet.delivered(delivered);
  await fleet.reaches(parked, "needs_review");
  const [found] = await listCases(fleet.store, { report: parked, limit: 1 });
  caseId = found?.id ?? "";
  group = found?.group ?? "";
});
afterAll(async () => {
  await api.close();
  await fleet.stop();
  expect(api.errors).toEqual([]);
});

/** The owner's things, wherever a route names one. */
function addressOf(route: Route): string {
  const values: Record<string, string> = {
    id: route.path.startsWith("/v1/reviews")
      ? caseId
      : route.path.startsWith("/v1/keys")
        ? "0".repeat(16)
        : delivered,
    account: OWNER,
    key: "first",
    group,
    type: "topic",
    route: "nowhere",
  };
  return route.path.replaceAll(/\{(\w+)\}/g, (_all, name: string) =>
    encodeURIComponent(values[name] ?? "missing"),
  );
}

let requests = 0;
function ask(
  route: Route,
  key: { text: string } | null,
  more: { address?: string; body?: unknown } = {},
): Promise<Answered> {
  requests += 1;
  return call(api, key, route.method.toUpperCase(), more.address ?? addressOf(route), {
    ...(route.body === undefined ? {} : { body: more.body ?? route.body.example }),
    headers: { "Idempotency-Key": `matrix-${requests}`, "If-Match": "*" },
  });
}

/** A dry run shows what a decision would, so it is a route of its own here. */
const everyRoute = ROUTES.flatMap((route) => {
  const dry = route.dryRun === undefined ? [] : [{ ...route, path: `${route.path}?dry_run=true` }];
  return [route, ...dry].map((one): [string, Route] => [`${one.method.toUpperCase()} ${one.path}`, one]);
});

function canariesIn({ text, headers }: Answered): string[] {
  const all = `${text}\n${JSON.stringify([...headers])}`;
  return [OWNER, CANARY, delivered, parked].filter((mark) => all.includes(mark));
}

test("the canary is there for its owner, or the other tests would find nothing anywhere", async () => {
  const owner = await aKey(fleet.store, OWNER, "reports:read", "reviews", "credits");
  const listed = await call(api, owner, "GET", "/v1/reports");
  expect(canariesIn(listed)).toEqual([OWNER, delivered, parked]);
  expect(canariesIn(await call(api, owner, "GET", `/v1/reports/${delivered}/output`))).toContain(CANARY);
  expect((await call(api, owner, "GET", `/v1/reviews/${encodeURIComponent(caseId)}`)).status).toBe(200);
});

test("no route answers without a key", async () => {
  for (const [name, route] of everyRoute)
    expect([name, (await ask(route, null)).status]).toEqual([name, 401]);
});

test("no route answers a key that lacks its scope, of an account or of the fleet", async () => {
  for (const account of ["other", null]) {
    for (const scope of SCOPES) {
      if (scope === "admin") continue;
      const key = await aKey(fleet.store, account, scope);
      for (const [name, route] of everyRoute) {
        if (route.scope === scope) continue;
        const answered = await ask(route, key);
        expect([name, scope, answered.status, canariesIn(answered)]).toEqual([name, scope, 403, []]);
      }
    }
  }
});

test("another account's key finds nothing of the owner's on any route, in the same words as for what is not there", async () => {
  // What no account's key can be given is tried all the same, as if somebody had found a way.
  const key = await aKey(fleet.store, "other", ...SCOPES);
  for (const [name, route] of everyRoute) {
    const answered = await ask(route, key);
    expect([name, canariesIn(answered)]).toEqual([name, []]);
    const expected = route.reach === "fleet" ? [403] : namesOwner(route) ? [404] : [200, 201, 202, 402, 404];
    expect([name, expected.includes(answered.status), answered.status]).toEqual([
      name,
      true,
      answered.status,
    ]);
  }
  for (const [name, route] of everyRoute.filter(([, one]) => one.reach === "account" && namesOwner(one))) {
    const [foreign, absent] = [
      await ask(route, key),
      await ask(route, key, { address: nobodysAddressOf(route) }),
    ];
    expect([name, { ...foreign.json, instance: "" }]).toEqual([name, { ...absent.json, instance: "" }]);
  }
});

function namesOwner(route: Route): boolean {
  return /\{(id|account)\}/.test(route.path);
}

function nobodysAddressOf(route: Route): string {
  const values: Record<string, string> = { account: "nobody", id: `rp-${"0".repeat(25)}` };
  return route.path.replaceAll(/\{(\w+)\}/g, (_all, part: string) => values[part] ?? "first");
}

test("naming the owner's account in a filter or an order finds nothing either", async () => {
  const key = await aKey(fleet.store, "other", "reports:read", "reports:write", "reviews");
  for (const path of [
    `/v1/reports?account=${OWNER}`,
    `/v1/reviews?account=${OWNER}`,
    `/v1/reviews?report=${parked}`,
    `/v1/reviews?group=${encodeURIComponent(group)}`,
  ]) {
    const answered = await call(api, key, "GET", path);
    expect([path, canariesIn(answered)]).toEqual([path, []]);
  }
  const ordered = await call(api, key, "POST", "/v1/reports", {
    body: { account: OWNER, type: "topic", source: { topic: "at your cost" } },
    headers: { "Idempotency-Key": "theft" },
  });
  expect(ordered).toMatchObject({ status: 404, json: { code: "not_found" } });
  expect((await fleet.balance(OWNER)).held).toBe(5);
});

test("scopes over the fleet are those of routes that are over the fleet", () => {
  const wrong = ROUTES.filter(({ scope, reach }) => SCOPES_OF_THE_FLEET.includes(scope) && reach !== "fleet");
  expect(wrong.map(({ path }) => path)).toEqual([]);
});

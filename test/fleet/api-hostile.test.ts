/** Bodies that nobody sends by accident: each is refused with a documented problem, and nothing of us shows. */
import { gzipSync } from "node:zlib";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PROBLEMS } from "../../src/api/problems.ts";
import { ROUTES } from "../../src/api/routes.ts";
import { startTestFleet, type TestFleet } from "../../src/testing.ts";
import { aKey, call, startTestApi, type Answered, type TestApi } from "../support/api.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";

let fleet: TestFleet;
let api: TestApi;
let key: { text: string };
beforeAll(async () => {
  fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("hostile"),
    types: [aTopicType],
  });
  api = await startTestApi(fleet);
  await fleet.grant("acme", 100);
  key = await aKey(fleet.store, null, "admin");
});
afterAll(async () => {
  await api.close();
  await fleet.stop();
});

const nested = (depth: number, open: string, close: string) => `${open.repeat(depth)}1${close.repeat(depth)}`;
const manyKeys = (count: number) => `{${Array.from({ length: count }, (_, nth) => `"k${nth}":1`).join(",")}}`;

/** None of these is a valid body of any route. */
const HOSTILE: readonly (string | Buffer)[] = [
  "{",
  "}",
  "[",
  "]]",
  "{]",
  "[}",
  "null",
  "true",
  "0",
  "-1e400",
  '"text"',
  "[]",
  "[[]]",
  "NaN",
  "undefined",
  "{a:1}",
  "{'a':1}",
  '{"a":1,}',
  '{"a":01}',
  '{"a":0x1}',
  '{"a":1}{"b":2}',
  '{"a":"\u0000"}',
  '{"a":"\\ud800"}',
  '{"a":"\\u12"}',
  '{"why":1}',
  '{"why":null}',
  '{"why":{"$gt":""}}',
  '{"why":["a"]}',
  '{"why":""}',
  `{"why":"${"x".repeat(5_000)}"}`,
  '{"__proto__":{"admin":true}}',
  '{"why":"x","__proto__":null}',
  '{"constructor":{"prototype":{"admin":true}}}',
  '{"prototype":{}}',
  '{"type":"topic","source":{"topic":"a","__proto__":{"x":1}}}',
  '{"type":["topic"],"source":{}}',
  '{"type":"../../etc/passwd","source":{}}',
  '{"scopes":["admin"]}',
  '{"credits":1e308}',
  '{"credits":-1}',
  '{"credits":0.1}',
  '{"unknown":1}',
  manyKeys(5_000),
  nested(50, "[", "]"),
  nested(10_000, "[", "]"),
  nested(10_000, '{"a":', "}"),
  `{"why":"x","output":${nested(200, "[", "]")}}`,
  Buffer.from([0xff, 0xfe, 0x00, 0x7b]),
  Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d]),
  "\ufeff{",
  "<xml/>",
  "a=1&b=2",
];

function expectRefusal(what: string, { status, headers, text, json }: Answered): void {
  expect([what, status >= 400 && status < 500]).toEqual([what, true]);
  expect([what, headers.get("Content-Type")]).toEqual([what, "application/problem+json; charset=utf-8"]);
  expect([what, Object.keys(PROBLEMS).includes(json.code)]).toEqual([what, true]);
  expect([
    what,
    /node_modules|\.[jt]s:\d|\n\s+at |\/src\/|SyntaxError|Unexpected|position \d|Redis/.test(text),
  ]).toEqual([what, false]);
}

test("every body route refuses hostile bodies, in bounded memory and without a word about us", async () => {
  const routes = ROUTES.filter(({ body }) => body !== undefined);
  const before = process.memoryUsage().rss;
  let sent = 0;
  for (const [nth, route] of routes.entries()) {
    const path = route.path.replaceAll(/\{(\w+)\}/g, "nothing");
    // Every body meets half of the routes, and every route half of the bodies: all are read by the same code.
    for (const raw of HOSTILE.filter((_body, at) => at % 2 === nth % 2)) {
      const answered = await call(api, key, "POST", path, {
        raw,
        headers: { "Idempotency-Key": `hostile-${sent}`, "If-Match": "*" },
      });
      expectRefusal(`${path} ${raw.toString().slice(0, 60)}`, answered);
      sent += 1;
    }
  }
  expect(sent).toBeGreaterThan(500);
  expect(process.memoryUsage().rss - before).toBeLessThan(300 * 1_048_576);
  expect(({} as Record<string, unknown>)["admin"]).toBeUndefined();
  expect(api.errors).toEqual([]);
});

function post(path: string, raw: string | Buffer, headers: Record<string, string> = {}): Promise<Answered> {
  return call(api, key, "POST", path, { raw, headers: { "Idempotency-Key": "large", ...headers } });
}

test("what is too large, compressed or no JSON is refused before it is parsed", async () => {
  expect((await post("/v1/spending/stop", `{"why":"${"x".repeat(70_000)}"}`)).json.code).toBe(
    "body_too_large",
  );
  const large = JSON.stringify({
    account: "acme",
    type: "topic",
    source: { topic: "x".repeat(5 * 1_048_576) },
  });
  expect((await post("/v1/reports", large)).json.code).toBe("body_too_large");
  const mebibyte = JSON.stringify({
    account: "acme",
    type: "topic",
    source: { topic: "x".repeat(1_100_000) },
  });
  expect((await post("/v1/reports", mebibyte)).json.code).toBe("source_too_large");
  const bomb = gzipSync(Buffer.alloc(10 * 1_048_576, "a"));
  expect((await post("/v1/reports", bomb, { "Content-Encoding": "gzip" })).json.code).toBe(
    "unsupported_media_type",
  );
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
    expect((await post("/v1/spending/stop", '{"why":"x"}', { "Content-Type": type })).json.code).toBe(
      "unsupported_media_type",
    );
  expect((await fleet.balance("acme")).held).toBe(0);
});

test("strange addresses, headers and keys are refused like ordinary mistakes", async () => {
  for (const path of [
    "/v1/reports/%",
    "/v1/reports/%00",
    "/v1/reports/..%2f..%2fetc",
    "/v1/reports/%F0%9F%92%A9",
    "//v1",
  ])
    expectRefusal(path, await call(api, key, "GET", path));
  for (const query of [
    "limit=0",
    "limit=1e9",
    "limit=a",
    "limit[]=1",
    "status=gone",
    "status=a&status=b",
    "x=1",
  ])
    expectRefusal(query, await call(api, key, "GET", `/v1/reports?${query}`));
  for (const text of [
    "",
    "rf_",
    `rf_${"0".repeat(16)}_${"A".repeat(43)}`,
    "x".repeat(8_000),
    "rf_*_*",
    "undefined",
  ])
    expect((await call(api, { text }, "GET", "/v1/reports")).status).toBe(401);
});

test("bytes that are no HTTP end their own connection and nothing else", async () => {
  const { hostname, port } = new URL(api.url);
  const answered = await new Promise<string>((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.end("\u0000\u0001 nonsense\r\n\r\n"));
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
    socket.on("close", () => resolve(text));
    socket.on("error", reject);
  });
  expect(answered).toMatch(/^HTTP\/1\.1 400 /);
  expect((await call(api, null, "GET", "/livez")).status).toBe(200);
});

test("answers carry the headers that keep a browser out, and none that invites it in", async () => {
  const { headers } = await call(api, key, "GET", "/v1/types", {
    headers: { Origin: "https://elsewhere.example" },
  });
  expect(headers.get("Access-Control-Allow-Origin")).toBeNull();
  expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
  expect(headers.get("Content-Security-Policy")).toContain("default-src 'none'");
  expect(headers.get("X-Powered-By")).toBeNull();
});

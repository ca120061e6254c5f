/** A webhook URL is a customer's wish to have something sent from inside our network. */
import type { LookupAddress } from "node:dns";
import { createServer, type Server, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkEndpointUrl } from "../../../src/webhooks/endpoint-url.ts";
import { reachOf } from "../../../src/webhooks/public-address.ts";
import { safePost } from "../../../src/webhooks/safe-fetch.ts";

/** Everything that leads inside, in every spelling of an address that resolvers and parsers know. */
const INSIDE_URLS = [
  "https://127.0.0.1/",
  "https://127.0.0.1:443/",
  "https://127.1/",
  "https://127.0.1/",
  "https://127.255.255.254/",
  "https://127.0.0.1./",
  "https://2130706433/",
  "https://2130706433./",
  "https://017700000001/",
  "https://0x7f000001/",
  "https://0x7f.1/",
  "https://0x7f.0.0.1/",
  "https://0177.0.0.1/",
  "https://0177.0.0.0x1/",
  "https://00000177.0.0.1/",
  "https://%31%32%37.0.0.1/",
  "https://0/",
  "https://0.0.0.0/",
  "https://0x0/",
  "https://0.1.2.3/",
  "https://10.0.0.1/",
  "https://10.1/",
  "https://167772161/",
  "https://012.0.0.1/",
  "https://0xa.0.0.1/",
  "https://172.16.0.1/",
  "https://172.31.255.255/",
  "https://0xac100001/",
  "https://192.168.0.1/",
  "https://192.168.1/",
  "https://3232235521/",
  "https://0300.0250.0.1/",
  "https://100.64.0.1/",
  "https://100.127.255.255/",
  "https://169.254.169.254/",
  "https://169.254.169.254/latest/meta-data/",
  "https://2852039166/",
  "https://0xa9fea9fe/",
  "https://0251.0376.0251.0376/",
  "https://169.254.43518/",
  "https://192.0.0.192/",
  "https://192.0.2.1/",
  "https://192.88.99.1/",
  "https://198.18.0.1/",
  "https://198.51.100.7/",
  "https://203.0.113.9/",
  "https://224.0.0.1/",
  "https://239.255.255.250/",
  "https://240.0.0.1/",
  "https://255.255.255.255/",
  "https://[::1]/",
  "https://[0:0:0:0:0:0:0:1]/",
  "https://[0000:0000:0000:0000:0000:0000:0000:0001]/",
  "https://[::]/",
  "https://[::127.0.0.1]/",
  "https://[::ffff:127.0.0.1]/",
  "https://[::ffff:7f00:1]/",
  "https://[0:0:0:0:0:ffff:7f00:1]/",
  "https://[::ffff:10.0.0.1]/",
  "https://[::ffff:169.254.169.254]/",
  "https://[::ffff:a9fe:a9fe]/",
  "https://[::ffff:0:127.0.0.1]/",
  "https://[64:ff9b::127.0.0.1]/",
  "https://[64:ff9b::a9fe:a9fe]/",
  "https://[64:ff9b:1::10.0.0.1]/",
  "https://[2002:7f00:1::]/",
  "https://[2002:a9fe:a9fe::1]/",
  "https://[2001:0:7f00:1::]/",
  "https://[2001:db8::1]/",
  "https://[fc00::1]/",
  "https://[fd00:ec2::254]/",
  "https://[fe80::1]/",
  "https://[fe80::1%25eth0]/",
  "https://[fec0::1]/",
  "https://[ff02::1]/",
  "https://[100::1]/",
  "https://[5f00::1]/",
  "https://[4000::1]/",
  "https://localhost/",
  "https://LOCALHOST/",
  "https://localhost./",
  "https://any.localhost/",
  "https://redis/",
  "https://db.internal/",
  "https://metadata.google.internal/",
  "https://printer.local/",
  "https://router.lan/",
  "https://nas.home.arpa/",
];

/** Wrong in other ways: scheme, port, credentials, and text that two parsers read differently. */
const WRONG_URLS = [
  "http://example.com/",
  "http://127.0.0.1/",
  "ftp://example.com/",
  "file:///etc/passwd",
  "gopher://example.com/",
  "data:text/plain,x",
  "javascript:alert(1)",
  "//example.com/",
  "example.com",
  "",
  "https://",
  "https:///",
  "https://example.com:80/",
  "https://example.com:6379/",
  "https://example.com:22/",
  "https://example.com:65536/",
  "https://user@example.com/",
  "https://user:password@example.com/",
  "https://:@example.com/",
  "https://example.com@127.0.0.1/",
  "https://127.0.0.1@example.com/",
  "https://example.com\\@127.0.0.1/",
  "https://127.0.0.1\\.example.com/",
  "https://example.com /",
  "https://exam\tple.com/",
  "https://example.com/\r\nHost: inside",
  " https://example.com/",
  "https://①②⑦.0.0.1/",
  "https://１２７.0.0.1/",
  "https://127。0。0。1/",
  "https://ⓛocalhost/",
  "https://exa%00mple.com/",
  `https://example.com/${"a".repeat(2_048)}`,
];

let inside: Server;
let redirecting: Server;
let received = 0;
const answers: { status: number; headers?: Record<string, string>; hang?: boolean } = { status: 204 };

beforeAll(async () => {
  inside = await listen((_request, response) => {
    response.end();
  });
  inside.on("connection", () => {
    received += 1;
  });
  redirecting = await listen((request, response) => {
    if (answers.hang === true) return;
    request.resume().on("end", () => response.writeHead(answers.status, answers.headers).end());
  });
});
afterAll(() => {
  inside.closeAllConnections();
  inside.close();
  redirecting.closeAllConnections();
  redirecting.close();
});

test.each([...INSIDE_URLS, ...WRONG_URLS])("an endpoint may not be %j", (url) => {
  expect(checkEndpointUrl(url, false)).toMatchObject({ ok: false });
});

test.each([
  "https://example.com/hooks?team=7",
  "https://example.com:8443/",
  "https://93.184.216.34/",
  "https://[2606:2800:220:1:248:1893:25c8:1946]/",
  "https://xn--bcher-kva.example/",
])("an endpoint may be %j", (url) => {
  expect(checkEndpointUrl(url, false)).toMatchObject({ ok: true });
});

test("no spelling of an inside address reaches a listener on this machine", async () => {
  const { port } = inside.address() as AddressInfo;
  const before = received;
  for (const url of INSIDE_URLS) {
    const withPort = url.replace(/^(https:\/\/[^/]+?)(:443)?\//, `$1:${port}/`);
    for (const one of [url, withPort, withPort.replace("https:", "http:")])
      expect(await post(one)).toMatchObject({ outcome: "refused" });
  }
  expect(received).toBe(before);
});

test("a name that leads inside is refused, also when only one of its addresses does", async () => {
  const before = received;
  for (const addresses of [
    ["127.0.0.1"],
    ["93.184.216.34", "127.0.0.1"],
    ["2606:2800:220:1:248:1893:25c8:1946", "::1"],
    ["93.184.216.34", "169.254.169.254"],
    ["::ffff:127.0.0.1"],
    ["64:ff9b::7f00:1"],
  ]) {
    const sent = await post("https://hooks.example.com:8443/", { resolve: answering([addresses]) });
    expect(sent).toMatchObject({ outcome: "refused" });
  }
  expect(received).toBe(before);
});

test("a name that leads elsewhere when asked again is asked once", async () => {
  const before = received;
  const asked: string[] = [];
  const resolve = answering([["93.184.216.34"], ["127.0.0.1"]], asked);
  await post("https://hooks.example.com/", { resolve, timeoutMs: 300 });
  expect(asked).toEqual(["hooks.example.com"]);
  // The second request is a new question, and is judged by its own answer.
  const again = await post("https://hooks.example.com/", { resolve });
  expect(again).toMatchObject({ outcome: "refused" });
  expect(received).toBe(before);
});

test("a redirect to the inside is an answer, and nobody goes there", async () => {
  const before = received;
  const { port } = inside.address() as AddressInfo;
  for (const status of [301, 302, 303, 307, 308]) {
    Object.assign(answers, { status, headers: { location: `http://127.0.0.1:${port}/` } });
    expect(await post(urlOf(redirecting), { allowPrivate: true })).toEqual({ outcome: "answered", status });
  }
  expect(received).toBe(before);
});

test("a receiver that never answers costs no more than the time it was given", async () => {
  answers.hang = true;
  const sent = await post(urlOf(redirecting), { allowPrivate: true, timeoutMs: 200 });
  expect(sent).toEqual({ outcome: "unanswered", because: "timeout" });
  answers.hang = false;
});

test("development may reach this machine and private networks, and never the cloud's metadata", () => {
  expect(checkEndpointUrl("http://127.0.0.1:4000/", true)).toMatchObject({ ok: true });
  expect(checkEndpointUrl("http://localhost:4000/", true)).toMatchObject({ ok: true });
  expect(checkEndpointUrl("https://10.0.0.7/", true)).toMatchObject({ ok: true });
  expect(checkEndpointUrl("http://10.0.0.7/", true)).toMatchObject({ ok: false });
  expect(checkEndpointUrl("https://169.254.169.254/", true)).toMatchObject({ ok: false });
  expect(reachOf("169.254.169.254")).toBe("forbidden");
});

function post(url: string, more: Partial<Parameters<typeof safePost>[3]> = {}) {
  return safePost(url, {}, "{}", { timeoutMs: 5_000, allowPrivate: false, ...more });
}

/** A resolver that gives its answers in turn, and the last one for good. */
function answering(
  turns: readonly (readonly string[])[],
  asked: string[] = [],
): (hostname: string, done: (error: Error | null, addresses: LookupAddress[]) => void) => void {
  let turn = 0;
  return (hostname, done) => {
    asked.push(hostname);
    const addresses = turns[Math.min(turn, turns.length - 1)] ?? [];
    turn += 1;
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    );
  };
}

async function listen(onRequest: RequestListener): Promise<Server> {
  const server = createServer(onRequest);
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  return server;
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

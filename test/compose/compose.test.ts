/**
 * The life of a fleet in containers, as one story: it comes up, grows, loses containers, is rolled to a new version, torn
 * down and brought up again. The provider's own ledger is the witness of what was paid, the client of what was promised.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ReportId } from "../../src/domain/ids.ts";
import { readBalance } from "../../src/store/credits.ts";
import { listInHand, listProcesses } from "../../src/store/processes.ts";
import { readReport, readSections } from "../../src/store/reports.ts";
import { checkBooks } from "../support/check-books.ts";
import { composeFleet, imageWithTypes, waitForFleet, type ComposeFleet } from "../support/compose.ts";
import { duplicatesIn } from "../support/ledger.ts";

const PROJECT = `rfc${process.pid.toString(36)}`;
const DEPOSIT = 2_000;
const PRICE = 5;
/** Two sections of two calls. */
const CALLS = 4;
const given = (name: string): string => {
  const value = process.env[name];
  if (value === undefined || value === "")
    throw new Error(`${name} is not set: start this with \`npm run test:compose\`.`);
  return value;
};

let fleet: ComposeFleet;
let images: { now: string; next: string };
let orderKey = "";
const dir = mkdtempSync(join(tmpdir(), "report-fleet-compose-"));
/** Every order that was acknowledged. */
const acknowledged: ReportId[] = [];
let paidTwice = 0;

beforeAll(async () => {
  const from = given("COMPOSE_IMAGE");
  const derived = (tag: string, packageVersion: string, typeVersion: number) =>
    imageWithTypes({ from, tag: `localhost/${PROJECT}:${tag}`, packageVersion, typeVersion, dir });
  images = { now: await derived("now", "1.0.0", 1), next: await derived("next", "1.1.0", 2) };
  fleet = await composeFleet({
    project: PROJECT,
    image: images.now,
    redisImage: given("COMPOSE_REDIS_IMAGE"),
    prometheusImage: given("COMPOSE_PROMETHEUS_IMAGE"),
  });
});

afterAll(async () => {
  await fleet.remove();
  await fleet.podman("rmi", "-f", images.now, images.next).catch(() => "");
  rmSync(dir, { recursive: true, force: true });
});

let towns = 0;
const aTown = () => `town ${(towns += 1)} on the river`;

async function orderOverHttp(count: number): Promise<ReportId[]> {
  const ids = await Promise.all(
    Array.from({ length: count }, async () => {
      const response = await fetch(`${fleet.apiUrl}/v1/reports`, {
        method: "POST",
        headers: {
          Authorization: `Bearer ${orderKey}`,
          "Content-Type": "application/json",
          "Idempotency-Key": `http-${towns}-${Math.random()}`,
        },
        body: JSON.stringify({ type: "town-guide", source: { town: aTown() } }),
      });
      const body = (await response.json()) as { id?: ReportId };
      if (body.id === undefined)
        throw new Error(`The order was answered ${response.status}: ${JSON.stringify(body)}`);
      return body.id;
    }),
  );
  acknowledged.push(...ids);
  return ids;
}

async function orderByStream(count: number): Promise<ReportId[]> {
  const { redis, keys } = await fleet.store();
  const orders = Array.from({ length: count }, (_, n) => `stream-${towns}-${n}`);
  for (const key of orders)
    await redis.xadd(keys.intake, "*", "v", "1", "account", "acme", "type", "town-guide", "key", key, "source", JSON.stringify({ town: aTown() })); // prettier-ignore
  const ids: ReportId[] = [];
  for (const key of orders)
    ids.push(
      (await waitForFleet(
        fleet,
        () => redis.hget(keys.intakeStatus("acme", key), "report"),
        () => `${key} is not admitted`,
      )) as ReportId,
    );
  acknowledged.push(...ids);
  return ids;
}

async function delivered(ids: readonly ReportId[]): Promise<void> {
  for (const id of ids)
    await waitForFleet(
      fleet,
      async () => (await readReport(await fleet.store(), id))?.report.status === "completed",
      () => `${id} is not delivered`,
    );
}

/** Calls of the orders made since are in flight, and most of them are still to be made. */
async function callsBegun(since: number, atLeast = 3): Promise<void> {
  await waitForFleet(
    fleet,
    async () => (await fleet.ledger()).length >= since + atLeast,
    () => "no calls are made",
  );
}

async function crashesCounted(): Promise<number> {
  const store = await fleet.store();
  let crashes = 0;
  for (const id of acknowledged)
    for (const section of await readSections(store, id, (await readReport(store, id))?.plan ?? []))
      crashes += section.attempts.crash;
  return crashes;
}

async function workersRegistered(count: number): Promise<void> {
  await waitForFleet(
    fleet,
    async () =>
      (await listProcesses(await fleet.store())).filter(({ roles }) => roles === "worker").length === count,
    () => `there are not ${count} workers`,
  );
}

async function expectNothingPaidTwiceSince(): Promise<void> {
  expect(duplicatesIn(await fleet.ledger())).toBe(paidTwice);
}

test("it comes up from nothing: the API follows as soon as there is an admin key, and every role is healthy", async () => {
  await fleet.up(2);
  await waitForFleet(
    fleet,
    async () => (await fleet.containers("orchestrator")).length === 1,
    () => "there is no orchestrator",
  );
  await waitForFleet(
    fleet,
    () => fleet.reportFleet("keys", "create", "--name", "ops", "--scopes", "admin").catch(() => null),
    () => "no key can be made",
  );
  const made = await fleet.reportFleet(
    "keys", "create", "--name", "shop", "--account", "acme", "--scopes", "reports:read,reports:write", "--json",
  ); // prettier-ignore
  orderKey = (JSON.parse(made) as { key: string }).key;
  await fleet.reportFleet(
    "credits",
    "grant",
    "--account",
    "acme",
    "--amount",
    String(DEPOSIT),
    "--reference",
    "1",
  );
  await workersRegistered(2);
  const services = ["redis", "provider", "api", "orchestrator", "worker"];
  for (const service of services)
    for (const name of await fleet.containers(service))
      await waitForFleet(
        fleet,
        () =>
          fleet.podman("healthcheck", "run", name).then(
            () => true,
            () => false,
          ),
        () => `${name} is not healthy`,
      );
  const ready = (await (await fetch(`${fleet.apiUrl}/readyz`)).json()) as object;
  expect(ready).toMatchObject({ ready: true, durability: "always" });
});

test("no container runs as root, with a capability or a root to write to, and only workers know the provider's key", async () => {
  for (const role of ["api", "orchestrator", "worker", "provider"])
    for (const name of await fleet.containers(role)) {
      const run = (script: string) => fleet.podman("exec", name, "sh", "-c", script);
      expect((await run("id -u")).trim()).toBe("10001");
      expect(await run("grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/1/status")).toMatch(
        /CapEff:\s+0+\nCapBnd:\s+0+\nNoNewPrivs:\s+1/,
      );
      expect(
        (await run("touch /app/x 2>&1; touch /x 2>&1; touch /data/x && rm /data/x && echo data")).trim(),
      ).toMatch(/^.*\/app\/x.*Read-only file system\n.*\/x.*Read-only file system\ndata$/);
      const knows = (await run("env")).includes("OPENAI_API_KEY");
      expect([name, knows]).toEqual([name, role === "worker"]);
    }
});

test("scaled to four workers, it writes what is ordered over HTTP and by the intake stream, and pays for it once", async () => {
  await fleet.up(4);
  await workersRegistered(4);
  const [overHttp, byStream] = await Promise.all([orderOverHttp(8), orderByStream(8)]);
  await delivered([...overHttp, ...byStream]);
  expect(await fleet.ledger()).toHaveLength(16 * CALLS);
  await expectNothingPaidTwiceSince();
});

test("Prometheus sees every process, with the token, and KEDA's question has an answer there", async () => {
  const asked = async (query: string): Promise<string | null> => {
    const response = await fetch(`${fleet.prometheusUrl}/api/v1/query?query=${encodeURIComponent(query)}`);
    const { data } = (await response.json()) as { data?: { result: { value: [number, string] }[] } };
    return data?.result[0]?.value[1] ?? null;
  };
  await waitForFleet(
    fleet,
    async () => (await asked("sum(up)").catch(() => null)) === "6",
    () => "not every process is scraped",
  );
  const inQueues =
    'sum(max by (queue, state) (fleet_queue_jobs{queue=~"sections[.].+",state=~"waiting|active"}))';
  await waitForFleet(
    fleet,
    async () => (await asked(inQueues)) === "0",
    () => "nobody tells how much there is to write",
  );
});

test("a worker container killed and one frozen for twenty seconds cost the calls they had in flight, at most", async () => {
  const [killed = "", frozen = ""] = await fleet.containers("worker");
  const before = (await fleet.ledger()).length;
  const ids = await orderOverHttp(12);
  await callsBegun(before);
  await fleet.podman("pause", frozen);
  await fleet.podman("kill", "-s", "KILL", killed);
  await pause(20_000);
  await fleet.podman("unpause", frozen);
  await delivered(ids);
  await fleet.podman("start", killed);
  await workersRegistered(4);
  paidTwice = duplicatesIn(await fleet.ledger());
  // Each crash of a section costs the call it had in flight; the frozen worker's answers arrive late and are booked.
  const crashes = await crashesCounted();
  expect(crashes).toBeGreaterThan(0);
  expect(paidTwice).toBeLessThanOrEqual(crashes);
});

test("Redis killed and started again loses nothing that was acknowledged, and nothing is paid twice for it", async () => {
  const before = (await fleet.ledger()).length;
  const ids = await orderOverHttp(8);
  await callsBegun(before);
  const [redis = ""] = await fleet.containers("redis");
  await fleet.podman("kill", "-s", "KILL", redis);
  await pause(2_000);
  await fleet.podman("start", redis);
  await delivered(ids);
  await expectNothingPaidTwiceSince();
});

test("rolled to a new version with reports in flight: each is finished by the new one, and nothing is paid twice", async () => {
  const before = (await fleet.ledger()).length;
  const ids = [...(await orderOverHttp(8)), ...(await orderByStream(4))];
  await callsBegun(before);
  for (const role of ["worker", "orchestrator", "api"] as const) await fleet.roll(role, images.next);
  await delivered(ids);
  await expectNothingPaidTwiceSince();
  expect((await fleet.reportFleet("--version")).trim()).toBe("1.1.0");
  await waitForFleet(
    fleet,
    async () => (await fetch(`${fleet.apiUrl}/readyz`).catch(() => null))?.ok,
    () => "the new API does not answer",
  );
  const [newest = ""] = await orderOverHttp(1);
  await delivered([newest as ReportId]);
  expect((await readReport(await fleet.store(), newest as ReportId))?.report.typeVersion).toBe(2);
});

test("a pool in one container writes in the workers' place; a replica killed in it is replaced, and its work handed on", async () => {
  await fleet.pool();
  await workersRegistered(2);
  const [container = ""] = await fleet.containers("worker");
  const before = (await fleet.ledger()).length;
  const ids = await orderOverHttp(10);
  await callsBegun(before);
  const store = await fleet.store();
  const crashesBefore = await crashesCounted();
  const replicas = (await listProcesses(store)).filter(({ roles }) => roles === "worker");
  const busy = await waitForFleet(
    fleet,
    async () => {
      for (const replica of replicas) if ((await listInHand(store, replica.id)).length > 0) return replica;
      return null;
    },
    () => "no replica has anything in hand",
  );
  await fleet.podman("exec", container, "node", "-e", `process.kill(${busy.pid}, "SIGKILL")`);
  await delivered(ids);
  const told = await fleet.podman("logs", container);
  expect(told).toMatch(/Replica \d ended by itself \(pid \d+, SIGKILL\), 1 in a row/);
  expect(told).toContain(`of the dead ${busy.id} are handed on`);
  const more = duplicatesIn(await fleet.ledger()) - paidTwice;
  expect(more).toBeLessThanOrEqual((await crashesCounted()) - crashesBefore);
  paidTwice += more;
});

test("torn down with reports in flight and brought up again: everything is there, and what was begun is finished", async () => {
  const before = (await fleet.ledger()).length;
  const ids = await orderOverHttp(8);
  await callsBegun(before);
  await fleet.down();
  for (const service of ["redis", "api", "orchestrator", "worker", "provider"])
    expect(await fleet.containers(service)).toEqual([]);
  await fleet.up(2);
  await delivered(ids);
  await expectNothingPaidTwiceSince();
});

test("at the end every acknowledged order is delivered and charged once, and the books agree with the provider's", async () => {
  const store = await fleet.store();
  await delivered(acknowledged);
  const committed = acknowledged.length * PRICE;
  expect(new Set(acknowledged).size).toBe(acknowledged.length);
  expect(await readBalance(store, "acme")).toEqual({
    account: "acme",
    available: DEPOSIT - committed,
    held: 0,
    committed,
    deposits: DEPOSIT,
  });
  expect(await checkBooks(store, await fleet.ledger())).toEqual([]);
  process.stderr.write(
    `${acknowledged.length} reports, ${(await fleet.ledger()).length} calls, ${paidTwice} paid twice (in flight at a kill), ${committed} credits.\n`,
  );
});

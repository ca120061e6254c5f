/** The real command line in processes of its own, against a fleet that really writes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { EXIT } from "../../src/cli/exit-codes.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { listReports } from "../../src/store/reports.ts";
import { startTestFleet, waitFor, type TestFleet } from "../../src/testing.ts";
import { dependencyReview, topicReport } from "../../examples/index.ts";
import { runCommand, startCommand, type Finished } from "../support/command-line.ts";
import { startPrivateRedis, testRedisUrl, uniqueFleet } from "../support/redis.ts";

const CYCLIC = fileURLToPath(new URL("../support/a-cyclic-type.ts", import.meta.url));
const LOCKFILE = fileURLToPath(new URL("../../package-lock.json", import.meta.url));
const REFERENCE = fileURLToPath(new URL("../../docs/cli.md", import.meta.url));
const NOBODY = "rp-0000000000000000000000000";

let fleet: TestFleet;
const name = uniqueFleet("cli");
beforeAll(async () => {
  fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: name,
    types: [topicReport, dependencyReview],
  });
});
afterAll(() => fleet.stop());

function cli(
  args: readonly string[],
  options: { input?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Finished> {
  return runCommand(args, { ...options, env: inFleet(options.env) });
}

function inFleet(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { REDIS_URL: testRedisUrl(), FLEET: name, ...more };
}

let accounts = 0;
async function anAccount(credits = 100): Promise<string> {
  accounts += 1;
  const account = `cli-${accounts}`;
  if (credits > 0) await fleet.grant(account, credits);
  return account;
}

function order(account: string, topic: string, ...more: string[]): string[] {
  return ["submit", "topic-report", "--account", account, "--input", JSON.stringify({ topic }), ...more];
}

/** What commands print, of which each test looks at some. */
interface Printed {
  id: ReportId;
  status: string;
  type: string;
  at: number;
  repeated: boolean;
  data: Printed[];
  account: string;
  sections: { key: string }[];
  error: { code: string; fields: { path: string }[] };
}

function parsed(text: string): Printed {
  return JSON.parse(text) as Printed;
}

async function aDelivered(account: string, topic = "The price of bridges"): Promise<ReportId> {
  const { stdout, stderr, code } = await cli(order(account, topic, "--wait", "--json"));
  expect({ code, stderr }).toEqual({ code: EXIT.ok, stderr: "" });
  return parsed(stdout).id;
}

function scratchFile(file: string, content = ""): string {
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-test-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, file);
  if (content !== "") writeFileSync(path, content);
  return path;
}

test("a buyer orders, waits, and is told the id, the outcome and the money", async () => {
  const account = await anAccount();
  const { code, stdout, stderr } = await cli(order(account, "Tides and harbours", "--wait"));
  expect(code).toBe(EXIT.ok);
  expect(stdout).toMatch(/^rp-[0-9a-z]{25}\n$/);
  expect(stderr).toContain("executive-summary completed");
  expect(stderr).toContain("Ready. 10 credits were charged.");
  expect(await fleet.balance(account)).toMatchObject({ available: 90, held: 0, committed: 10 });
});

test("programs read an order and its status by field names that stay", async () => {
  const account = await anAccount();
  const ordered = await cli(order(account, "Tides", "--idempotency-key", "order-1", "--json"));
  const row = parsed(ordered.stdout);
  const reference = readFileSync(REFERENCE, "utf8");
  expect(Object.keys(row).filter((field) => !reference.includes(`\`${field}\``))).toEqual([]);
  expect(row).toMatchObject({ type: "topic-report", account, repeated: false, credits: { amount: 10 } });
  const again = await cli(order(account, "Tides", "--idempotency-key", "order-1", "--wait", "--json"));
  expect(parsed(again.stdout)).toMatchObject({ id: row.id, status: "completed", repeated: true });

  const { stdout } = await cli(["status", row.id, "--json"]);
  const { total } = await fleet.spend(row.id);
  const view = JSON.parse(stdout) as object;
  expect(Object.keys(view).filter((field) => !reference.includes(`\`${field}\``))).toEqual([]);
  expect(view).toMatchObject({
    id: row.id,
    status: "completed",
    statusText: "Ready. 10 credits were charged.",
    progress: { percent: 100, done: 2, total: 2 },
    credits: { amount: 10, state: "committed" },
    spend: { useful: total, pending: 0, totalMicros: total },
    failure: null,
    delivery: "full",
    run: 1,
    sections: [
      { key: "report", status: "completed", attempts: { transient: 0, repair: 0, crash: 0 } },
      { key: "executive-summary", status: "completed", after: ["report"] },
    ],
  });
});

test("a person reads the status as sentences and a table", async () => {
  const id = await aDelivered(await anAccount());
  const { stdout } = await cli(["status", id]);
  expect(stdout).toContain("Ready. 10 credits were charged.");
  expect(stdout).toMatch(/SECTION +KEY +STATUS/);
  expect(stdout).toMatch(/Spent \$0\.0\d+ of at most \$0\.500: useful/);
});

test("ls finds reports by account, type and status, newest first", async () => {
  const account = await anAccount();
  const older = await aDelivered(account, "Older roads");
  const newer = await aDelivered(account, "Newer roads");
  const list = async (...more: string[]): Promise<string[]> =>
    parsed((await cli(["ls", "--account", account, "--json", ...more])).stdout).data.map(({ id }) => id);
  expect(await list()).toEqual([newer, older]);
  expect(await list("--limit", "1")).toEqual([newer]);
  expect(await list("--type", "dependency-review")).toEqual([]);
  expect(await list("--status", "needs_review")).toEqual([]);
  expect(await list("--status", "completed", "--type", "topic-report")).toEqual([newer, older]);
  const { stdout } = await cli(["ls", "--account", account]);
  expect(stdout).toMatch(/^ID +TYPE +ACCOUNT +STATUS +PROGRESS +SPEND +CREDITS +AGE\n/);
});

test("a delivered report is read as Markdown, HTML and JSON, and each is whole", async () => {
  const id = await aDelivered(await anAccount(), "The price of bridges");
  const markdown = await cli(["get", id]);
  expect(markdown.stdout).toMatch(/^# The price of bridges\n\n## Executive summary\n/);

  const file = scratchFile("report.html");
  const html = await cli(["get", id, "--format", "html", "-o", file]);
  expect(html).toMatchObject({ code: EXIT.ok, stdout: "" });
  const page = readFileSync(file, "utf8");
  expect(page).toMatch(/^<!doctype html>[\s\S]*<h1>The price of bridges<\/h1>/);
  for (const line of [
    "topic-report, version 1",
    "simulated-writer",
    "10 credits",
    "report 1/refine-critic-1",
  ])
    expect(page).toContain(`<dd>${line}`);
  const { report } = await fleet.read(id);
  expect(report.status === "completed" && page.includes(report.artefactHash)).toBe(true);

  const json = parsed((await cli(["get", id, "--format", "json"])).stdout);
  expect(json).toMatchObject({ id, delivered: true, delivery: "full", title: "The price of bridges" });
  expect(json.sections.map(({ key }) => key)).toEqual(["report", "executive-summary"]);
});

test("watch prints every event as one JSON line, from the order to the delivery", async () => {
  const account = await anAccount();
  const { stdout } = await cli(order(account, "Signals", "--json"));
  const { id } = parsed(stdout);
  const watched = await cli(["watch", id, "--json"]);
  expect(watched).toMatchObject({ code: EXIT.ok, stderr: "" });
  const events = watched.stdout
    .trimEnd()
    .split("\n")
    .map((line) => parsed(line));
  expect(events[0]).toMatchObject({ event: "report.submitted", report: id });
  expect(events.at(-1)).toMatchObject({ event: "report.status", status: "completed" });
  expect(events.map(({ id: at }) => at)).toEqual([...new Set(events.map(({ id: at }) => at))]);
  expect(events.every(({ at }) => typeof at === "number")).toBe(true);
  expect(events).toHaveLength((await fleet.events(id)).length);
});

describe("with slow answers", () => {
  let slow: TestFleet;
  const slowName = uniqueFleet("cli-slow");
  const env = { REDIS_URL: testRedisUrl(), FLEET: slowName };
  beforeAll(async () => {
    slow = await startTestFleet({
      redisUrl: testRedisUrl(),
      fleet: slowName,
      types: [topicReport],
      latency: { firstByteMs: [700, 700], perTokenMs: 0 },
    });
    await slow.grant("slow", 1_000);
  });
  afterAll(() => slow.stop());

  test("whoever stops watching is told how to go on, and the report is delivered all the same", async () => {
    const { child, finished } = startCommand(order("slow", "Patience", "--wait"), { env });
    const { report: ordered } = await waitFor(
      async () => (await listReports(slow.store, { account: "slow", limit: 1 }))[0],
      () => "nothing is ordered",
    );
    const report = ordered.id;
    await waitFor(
      async () => (await slow.events(report)).some(({ event }) => event === "call.begun"),
      () => "nothing is asked",
    );
    child.kill("SIGINT");
    const { code, stderr } = await finished;
    expect(code).toBe(EXIT.interrupted);
    expect(stderr).toContain(`report-fleet watch ${report}`);
    await slow.delivered(report);
  });

  test("a wait that takes too long ends with the exit code of timeout, and the order stands", async () => {
    const { code, stdout } = await runCommand(
      order("slow", "Brevity", "--wait", "--timeout", "300ms", "--json"),
      { env },
    );
    expect(code).toBe(EXIT.waitTimeout);
    await slow.delivered(parsed(stdout).id);
  });
});

test("a report that needs a person ends the wait with its own exit code; what is finished is readable, undelivered", async () => {
  const parked = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("cli-parked"),
    types: [topicReport],
    // The summary's prompt alone holds the finished report.
    faults: [{ match: { contains: "You sum up reports" }, fault: { kind: "refusal" } }],
  });
  onTestFinished(() => parked.stop());
  await parked.grant("acme", 10);
  const env = { REDIS_URL: testRedisUrl(), FLEET: parked.store.fleet };
  const { code, stdout, stderr } = await runCommand(order("acme", "Forbidden things", "--wait"), { env });
  expect(code).toBe(EXIT.needsReview);
  expect(stderr).toContain("Being checked by our team. Your 10 credits are held, not charged.");
  const id = stdout.trim();
  const { stdout: status } = await runCommand(["status", id], { env });
  expect(status).toMatch(/Reason: .*\(contract: \w+\)/);

  const refused = await runCommand(["get", id], { env });
  expect(refused.code).toBe(EXIT.conflict);
  expect(refused.stderr).toMatch(
    /is not delivered\. .*10 credits are held, not charged\. .*--section report/,
  );
  const early = await runCommand(["get", id, "--section", "report", "--json"], { env });
  expect(parsed(early.stdout)).toMatchObject({ id, section: "report", delivered: false });
  const asText = await runCommand(["get", id, "--section", "report"], { env });
  expect(asText.stderr).toContain("Not delivered yet");
  expect((await runCommand(["get", id, "--section", "executive-summary"], { env })).code).toBe(EXIT.conflict);
  expect((await runCommand(["get", id, "--section", "nonesuch"], { env })).code).toBe(EXIT.notFound);
});

describe("a batch", () => {
  test("fans out, and the same file sent again orders nothing twice", async () => {
    const account = await anAccount(200);
    const lines = Array.from({ length: 12 }, (_, n) =>
      JSON.stringify({ source: { topic: `Port number ${n}` }, idempotencyKey: `port-${n}` }),
    );
    const file = scratchFile("batch.jsonl", `${lines.join("\n")}\n\n`);
    const submit = ["submit", "topic-report", "--batch", file, "--account", account, "--json"];
    const first = parsed((await cli([...submit, "--wait"])).stdout).data;
    expect(first).toHaveLength(12);
    expect(first.every(({ status, repeated }) => status === "completed" && !repeated)).toBe(true);
    const second = parsed((await cli(submit)).stdout).data;
    expect(second.map(({ id }) => id)).toEqual(first.map(({ id }) => id));
    expect(await fleet.balance(account)).toMatchObject({ available: 80, committed: 120 });
  });

  test("with a bad line is refused as a whole, and every bad line is named", async () => {
    const account = await anAccount();
    const input = ['{"topic":"A good one"}', "{broken", '{"topic":7}', '{"subject":"wrong field"}'].join(
      "\n",
    );
    const broken = await cli(["submit", "topic-report", "--batch", "-", "--account", account], { input });
    expect(broken.code).toBe(EXIT.usage);
    expect(broken.stderr).toContain("line 2: ");
    const wrong = await cli(["submit", "topic-report", "--batch", "-", "--account", account], {
      input: input.replace("{broken\n", ""),
    });
    expect(wrong.code).toBe(EXIT.usage);
    expect(wrong.stderr).toMatch(/2 lines of the batch[\s\S]*line 2: topic[\s\S]*line 3: topic: is missing/);
    expect(await fleet.balance(account)).toMatchObject({ available: 100, held: 0 });
  });

  test("that the credits do not cover is refused before the first order", async () => {
    const account = await anAccount(15);
    const input = '{"topic":"One road"}\n{"topic":"Two roads"}';
    const { code, stderr } = await cli(["submit", "topic-report", "--batch", "-", "--account", account], {
      input,
    });
    expect(code).toBe(EXIT.insufficientCredits);
    expect(stderr).toContain("cost 20 credits");
    expect(await fleet.balance(account)).toMatchObject({ available: 15, held: 0 });
  });
});

describe("what cannot be ordered gets a clear error, its exit code, and no spend", () => {
  const five = `{"topic":"${"x".repeat(5_000_000)}"}`;
  test.each<[string, string, string, number, RegExp]>([
    ["a missing field", "topic-report", '{"audience":"all"}', EXIT.usage, /topic is missing/],
    ["a wrong type", "topic-report", '{"topic":7}', EXIT.usage, /topic .*expected string/],
    ["a source of five megabytes", "topic-report", five, EXIT.usage, /5000012 bytes.*at most 1048576/],
    ["an unknown type", "topik-report", '{"topic":"Roads"}', EXIT.notFound, /did you mean "topic-report"/],
    ["no JSON", "topic-report", "{broken", EXIT.usage, /Standard input is not JSON/],
    ["nothing at all", "topic-report", "", EXIT.usage, /Standard input is not JSON/],
  ])("%s", async (_, type, input, exit, says) => {
    const account = await anAccount();
    const billed = fleet.ledger().length;
    const { code, stdout, stderr } = await cli(["submit", type, "--account", account, "--input", "-"], {
      input,
    });
    expect({ code, stdout }).toEqual({ code: exit, stdout: "" });
    expect(stderr).toMatch(says);
    expect(await fleet.balance(account)).toMatchObject({ available: 100, held: 0 });
    expect(fleet.ledger()).toHaveLength(billed);
  });

  test("an account without credits", async () => {
    const { code, stderr } = await cli(order(await anAccount(0), "Roads"));
    expect(code).toBe(EXIT.insufficientCredits);
    expect(stderr).toMatch(/costs 10 credits and account cli-\d+ has 0 available/);
  });

  test("a report type whose sections wait for each other", async () => {
    const args = ["submit", "cyclic", "--account", await anAccount(), "--input", '{"topic":"Roads"}'];
    const { code, stderr } = await cli(args, { env: { REPORT_TYPES: CYCLIC } });
    expect(code).toBe(EXIT.error);
    expect(stderr).toMatch(/sections wait for each other: .*hen.*egg/);
    expect((await cli(["types", "lint"], { env: { REPORT_TYPES: CYCLIC } })).code).toBe(EXIT.error);
  });

  test("a file that is not there, and no input at all", async () => {
    const base = ["submit", "topic-report", "--account", "acme"];
    const missing = await cli([...base, "--input", "@no-such-file.json"]);
    expect(missing).toMatchObject({ code: EXIT.usage, stdout: "" });
    expect(missing.stderr).toContain("no-such-file.json");
    expect((await cli(base)).code).toBe(EXIT.usage);
  });

  test("another order under a used key", async () => {
    const account = await anAccount();
    await cli(order(account, "One road", "--idempotency-key", "k"));
    const { code, stderr } = await cli(order(account, "Another road", "--idempotency-key", "k"));
    expect(code).toBe(EXIT.conflict);
    expect(stderr).toContain('"k" already belongs to rp-');
  });

  test("with --json the error is JSON, with every field", async () => {
    const args = [
      "submit",
      "topic-report",
      "--account",
      await anAccount(),
      "--input",
      '{"words":1}',
      "--json",
    ];
    const { error } = parsed((await cli(args)).stderr);
    expect(error.code).toBe("invalid_source");
    expect(error.fields.map(({ path }) => path)).toEqual(["topic", "words"]);
  });
});

test("an unreachable Redis is an error within seconds, for every command that needs one", async () => {
  const redis = await startPrivateRedis({ aof: false });
  const { url } = redis;
  await redis.stop();
  const startedAt = performance.now();
  const commands = [
    ["ls"],
    ["status", NOBODY],
    ["watch", NOBODY],
    ["get", NOBODY],
    ["credits", "show"],
    order("acme", "Roads"),
  ];
  const ends = await Promise.all(commands.map((args) => cli(args, { env: { REDIS_URL: url } })));
  for (const { code, stderr } of ends) {
    expect(code).toBe(EXIT.redisUnreachable);
    expect(stderr).toContain("does not answer");
  }
  expect(performance.now() - startedAt).toBeLessThan(20_000);
});

test("a report that does not exist is not found, and a wrong id is a wrong id", async () => {
  for (const command of ["status", "watch", "get"]) {
    expect((await cli([command, NOBODY])).code).toBe(EXIT.notFound);
    expect((await cli([command, "rp-x"])).code).toBe(EXIT.usage);
  }
});

test("credits granted twice under one reference are granted once", async () => {
  const grant = (amount: string): Promise<Finished> =>
    cli(["credits", "grant", "--account", "payer", "--amount", amount, "--reference", "invoice 7", "--json"]);
  expect(parsed((await grant("50")).stdout)).toMatchObject({ available: 50, repeated: false });
  expect(parsed((await grant("50")).stdout)).toMatchObject({ available: 50, repeated: true });
  const other = await grant("60");
  expect(other.code).toBe(EXIT.conflict);
  expect(other.stderr).toContain("already granted 50 credits");
  const shown = parsed((await cli(["credits", "show", "--account", "payer", "--json"])).stdout);
  expect(shown).toMatchObject({
    available: 50,
    deposits: 50,
    ledger: [{ id: 1, verb: "grant", credits: 50 }],
  });
  const all = parsed((await cli(["credits", "show", "--json"])).stdout);
  expect(all.data.map(({ account }) => account)).toContain("payer");
  for (const wrong of ["0", "-5", "1.5", "ten"]) expect((await grant(wrong)).code).toBe(EXIT.usage);
});

test("an author sees plan, prompts and estimate without a fleet, and one written report with --run", async () => {
  const env = { REDIS_URL: "" };
  const plan = await runCommand(["types", "try", "dependency-review"], { env });
  expect(plan.stderr).toBe("");
  expect(plan.stdout).toContain("Figures, computed from its package-lock.json:");
  expect(plan.stdout).toMatch(/executive-summary is asked after inventory, licences/);
  expect(plan.stdout).toMatch(/At most \$0\.0\d+ without retries/);

  const before = (await fleet.store.redis.keys("{try-*")).length;
  const input = '{"topic":"The author tries it"}';
  for (const where of [env, inFleet()]) {
    const written = await runCommand(["types", "try", "topic-report", "--input", input, "--run"], {
      env: where,
    });
    expect(written.code).toBe(EXIT.ok);
    expect(written.stdout).toMatch(/^# The author tries it\n/);
  }
  expect(await fleet.store.redis.keys("{try-*")).toHaveLength(before);
  const live = await runCommand(["types", "try", "topic-report", "--live"], { env });
  expect(live).toMatchObject({ code: EXIT.usage, stdout: "" });
});

test("types ls names what is sold, for people and for programs", async () => {
  expect((await cli(["types", "ls"])).stdout).toMatch(/dependency-review +1 +Dependency review +40 +\$1\.00/);
  const { data } = parsed((await cli(["types", "ls", "--json"])).stdout);
  expect(data.find(({ type }) => type === "topic-report")).toEqual({
    type: "topic-report",
    version: 1,
    title: "Topic report",
    credits: 10,
    budgetMicros: 500_000,
    maxSourceBytes: 1_048_576,
    sections: ["report", "executive-summary"],
    planned: false,
  });
});

test("the figures of a delivered dependency review are those of the lockfile, counted again here", async () => {
  const account = await anAccount();
  const args = [
    "submit",
    "dependency-review",
    "--account",
    account,
    "--input",
    `@${LOCKFILE}`,
    "--wait",
    "--json",
  ];
  const { code, stdout } = await cli(args);
  expect(code).toBe(EXIT.ok);
  const page = (await cli(["get", parsed(stdout).id, "--format", "html"])).stdout;
  const cells = [...page.matchAll(/<tr>\s*([\s\S]*?)<\/tr>/g)].map(([, row = ""]) =>
    [...row.matchAll(/<td[^>]*>([\s\S]*?)<\/td>/g)].map(([, cell]) => cell),
  );
  const figure = (label: string): string | undefined => cells.find(([first]) => first === label)?.[1];

  type Entry = Record<string, unknown> & { license?: string; version?: string };
  const { packages } = JSON.parse(readFileSync(LOCKFILE, "utf8")) as { packages: Record<string, Entry> };
  const { "": root = {}, ...installed } = packages;
  const entries = Object.entries(installed);
  const count = (holds: (entry: Entry) => boolean): string =>
    String(entries.filter(([, one]) => holds(one)).length);
  const names = entries.map(([path]) => nameIn(path));

  expect(figure("Packages installed")).toBe(String(entries.length));
  expect(figure("Different names")).toBe(String(new Set(names).size));
  expect(figure("Development packages")).toBe(count(({ dev }) => dev === true));
  expect(figure("Production packages")).toBe(count(({ dev }) => dev !== true));
  expect(figure("Optional packages")).toBe(
    count(({ optional, devOptional }) => optional === true || devOptional === true),
  );
  const direct = { ...(root["dependencies"] as object), ...(root["devDependencies"] as object) };
  expect(figure("Direct dependencies")).toBe(String(Object.keys(direct).length));
  for (const [dependency, asked] of Object.entries(direct)) {
    const row = cells.find(([first, second]) => first === dependency && second === asked);
    expect(row?.[2]).toBe(installed[`node_modules/${dependency}`]?.version);
  }
  expect(figure("Run a script when installed")).toBe(count((one) => "hasInstallScript" in one));
  expect(figure("Marked as deprecated")).toBe(count((one) => "deprecated" in one));
  expect(figure("Not pinned by an integrity hash")).toBe(count((one) => !("integrity" in one)));
  for (const licence of new Set(entries.map(([, one]) => one.license).filter((one) => one !== undefined)))
    expect(figure(licence)).toBe(count((one) => one.license === licence));
  for (const repeated of new Set(names)) {
    const versions = new Set(
      entries.filter(([path]) => nameIn(path) === repeated).map(([, one]) => one.version),
    );
    if (versions.size < 2) continue;
    const row = cells.find(([first, listed]) => first === repeated && listed?.includes(", "));
    expect(new Set(row?.[1]?.split(", "))).toEqual(versions);
  }
});

function nameIn(path: string): string {
  return path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
}

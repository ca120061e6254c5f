/** The operator's commands, as programs and people use them: real processes on a real store. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { startTestFleet, type TestFleet } from "../../src/testing.ts";
import { runCommand } from "../support/command-line.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";

const TYPES = fileURLToPath(new URL("../support/report-types/index.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "report-fleet-review-"));
let fleet: TestFleet | null = null;
afterEach(async () => {
  await fleet?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("an operator finds a parked report, sees why, tries without paying, resumes it, and can take it home as a file", async () => {
  const name = uniqueFleet("operator");
  fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: name,
    types: [aTopicType],
    faults: [{ match: { contains: "topic/first" }, fault: { kind: "empty" } }],
  });
  await fleet.grant("acme", 100);
  const id = await fleet.submit({ account: "acme", type: "topic", source: { topic: "lighthouses" } });
  await fleet.reaches(id, "needs_review");
  const env = { REDIS_URL: testRedisUrl(), FLEET: name, REPORT_TYPES: TYPES };
  const run = (...args: string[]) => runCommand(args, { env });
  const json = async (...args: string[]) => {
    const { stdout, stderr } = await run(...args, "--json");
    if (stdout === "") throw new Error(stderr);
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  const decided = ["--by", "ada", "--reason", "looked at it"];

  const [groups, cases, explained] = await Promise.all([
    json("review", "groups"),
    json("review", "ls"),
    json("explain", id),
  ]);
  expect(groups).toMatchObject({ data: [{ type: "topic", section: "first", open: 1, creditsHeld: 5 }] });
  expect(cases).toMatchObject({ data: [{ report: id, section: "first", state: { status: "open" } }] });
  expect(explained).toMatchObject({ id, status: "needs_review", credits: { charged: 0, state: "reserved" } });

  const { group = "" } = (cases["data"] as { group: string }[])[0] ?? {};
  const [shown, unwilling, anonymous, dry, ofGroup, inWords] = await Promise.all([
    json("review", "show", id),
    run("review", "revalidate", id, ...decided),
    run("review", "resume", id, "--reason", "why"),
    json("review", "resume", id, "--dry-run"),
    json("review", "partial", "--group", group, "--dry-run"),
    run("review", "resume", "--group", group, "--dry-run", "--max-usd", "2"),
  ]);
  expect(shown).toMatchObject({ rawOutput: "", evidence: { promptVersion: "1" } });
  expect(shown["actions"]).toContain("resume");
  expect(unwilling).toMatchObject({ code: 5 });
  expect(unwilling.stderr).toContain("nothing was paid");
  expect(anonymous).toMatchObject({ code: 2 });
  expect(dry).toMatchObject({ possible: true, keptSections: ["second"], openSections: ["first"] });
  expect(dry["paidCalls"]).toHaveLength(1);
  expect(ofGroup).toMatchObject({ cases: 1, eligible: 1, credits: { held: 0, charged: 2, returned: 3 } });
  expect(inWords).toMatchObject({ code: 0 });
  expect(inWords.stdout).toMatch(/^1 of 1 cases would be decided \(resume\)\. Nothing was changed\.$/m);
  expect(inWords.stdout).toMatch(new RegExp(`^Canary +${id}\\.first\\.1$`, "m"));
  expect(inWords.stdout).toMatch(/^Cap +\$2\.00: the estimate is within it$/m);
  expect(fleet.ledger()).toHaveLength(3);

  const bundle = join(folder, "bundle.json");
  expect((await run("export", id, "-o", bundle)).code).toBe(0);
  expect(readFileSync(bundle, "utf8")).toContain("lighthouses");
  expect(readFileSync(bundle, "utf8")).not.toContain("acme");
  const replayed = await runCommand(["replay", bundle, "--json"], {
    env: { REPORT_TYPES: TYPES, REDIS_URL: "" },
  });
  expect(replayed.code).toBe(10);
  expect(JSON.parse(replayed.stdout)).toMatchObject({
    data: [
      { section: "first", was: "needs_review", now: "failed" },
      { section: "second", was: "completed", now: "written" },
    ],
  });

  fleet.provider.setFaults?.([]);
  expect(await json("review", "resume", id, ...decided)).toMatchObject({ report: id, run: 2 });
  await fleet.delivered(id);
  const late = await run("cancel", id, ...decided);
  expect(late).toMatchObject({ code: 5 });
  expect(late.stderr).toContain("already delivered");
});

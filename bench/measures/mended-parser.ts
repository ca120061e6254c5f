/** A parser is mended after its reports were parked: one action of the group takes them up again from what was paid. */
import { randomUUID } from "node:crypto";
import { loadConfig } from "../../src/config.ts";
import { decideGroup } from "../../src/desk/group-operation.ts";
import { NO_ACCOUNT_LIMITS } from "../../src/domain/fairness.ts";
import { registryOf } from "../../src/report-types/registry.ts";
import { listGroups } from "../../src/store/case-groups.ts";
import { Queues } from "../../src/store/queues.ts";
import { waitFor } from "../../src/testing.ts";
import type { Lab } from "../lab.ts";
import { atOnce, reportFleet } from "../systems.ts";
import { fussyType } from "../workload.ts";
import { allWritten, topicsOf } from "./waiting.ts";

export interface MendedParser {
  parked: number;
  delivered: number;
  seconds: number;
  /** Paid after the parser was mended. */
  tokens: number;
  requests: number;
}

export async function mendedParser(lab: Lab, reports: number): Promise<MendedParser> {
  await lab.redis.flushall();
  await lab.provider.script({});
  const fleet = await reportFleet(lab);
  let program = await fleet.start();
  const { keys } = fleet.store;
  try {
    await atOnce(topicsOf("report_fleet", "fussy", reports), async (topic) => {
      // Each of an account of its own: one whose reports fail again and again is held until somebody has looked at it.
      await fleet.submit(topic, topic.replace(".", "-"), "fussy");
    });
    const parked = () => lab.redis.zcard(keys.indexStatus("needs_review"));
    await waitFor(
      async () => (await parked()) === reports,
      () => "not all reports are parked",
    );
    await program.kill("SIGKILL");
    program = await fleet.start({ env: { BENCH_PARSER: "mended" } });
    const before = await lab.provider.totals();
    const from = performance.now();
    const [group] = await listGroups(fleet.store, { limit: 1 });
    const queues = new Queues(fleet.store);
    const desk = {
      store: fleet.store,
      queues,
      types: registryOf([fussyType(true)]),
      durations: loadConfig({}).durations,
      accountLimits: NO_ACCOUNT_LIMITS,
    };
    await decideGroup(desk, {
      id: randomUUID(),
      group: group?.group ?? "",
      action: "revalidate",
      prompt: "current",
      maxMicros: null,
      canary: 1,
      perSweep: reports,
      by: "bench",
      why: "the parser is mended",
    });
    await allWritten(fleet, reports);
    const seconds = (performance.now() - from) / 1_000;
    await queues.close();
    const after = await lab.provider.totals();
    return {
      parked: reports,
      delivered: await fleet.written(),
      seconds,
      tokens: after.billedTokens - before.billedTokens,
      requests: after.requests - before.requests,
    };
  } finally {
    await program.kill("SIGKILL");
  }
}

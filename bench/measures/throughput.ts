/** Reports a second and CPU a report, with a provider that answers at once: what a system costs beside the model. */
import { cpuMsOf, type Lab } from "../lab.ts";
import { openSystem, reportFleet, type SystemName } from "../systems.ts";
import { allWritten, topicsOf } from "./waiting.ts";

export interface Throughput {
  reports_per_s: number;
  /** Of the system's own processes, from the first order to the last report. */
  cpu_ms_per_report: number;
  redis_cpu_ms_per_report: number;
  redis_commands_per_report: number;
}

/** For the compiler of the runtime: each system needs a third of the CPU after so many reports that it needs for its first. */
const WARM_UP = 60;

export async function throughput(
  lab: Lab,
  name: SystemName,
  reports: number,
  fsync: "always" | "everysec" = "always",
): Promise<Throughput> {
  await lab.redis.flushall();
  await lab.redis.config("SET", "appendfsync", fsync);
  await lab.provider.script({});
  const system = await openSystem(lab, name);
  const program = await system.start();
  try {
    await system.order(topicsOf(name, "warm", WARM_UP));
    await allWritten(system, WARM_UP);
    const before = { at: performance.now(), cpu: cpuMsOf(program.pid), ...(await redisUse(lab)) };
    await system.order(topicsOf(name, "hot", reports));
    await allWritten(system, WARM_UP + reports);
    const after = { at: performance.now(), cpu: cpuMsOf(program.pid), ...(await redisUse(lab)) };
    const each = (from: number, to: number) => (to - from) / reports;
    return {
      reports_per_s: (1_000 * reports) / (after.at - before.at),
      cpu_ms_per_report: each(before.cpu, after.cpu),
      redis_cpu_ms_per_report: each(before.redisCpu, after.redisCpu),
      redis_commands_per_report: each(before.commands, after.commands),
    };
  } finally {
    await program.kill("SIGKILL");
  }
}

/** One orchestrator, and so many workers of 50 places; the machine stays the same. */
export async function withWorkers(
  lab: Lab,
  workers: number,
  reports: number,
): Promise<Pick<Throughput, "reports_per_s">> {
  await lab.redis.flushall();
  await lab.provider.script({});
  const fleet = await reportFleet(lab);
  const programs = [await fleet.startRoles("orchestrator")];
  for (let nth = 0; nth < workers; nth++) programs.push(await fleet.startRoles("worker"));
  try {
    await fleet.order(topicsOf("report_fleet", "warm", WARM_UP * workers));
    await allWritten(fleet, WARM_UP * workers);
    const from = performance.now();
    await fleet.order(topicsOf("report_fleet", "hot", reports));
    await allWritten(fleet, WARM_UP * workers + reports);
    return { reports_per_s: (1_000 * reports) / (performance.now() - from) };
  } finally {
    for (const program of programs) await program.kill("SIGKILL");
  }
}

export async function redisUse(lab: Lab): Promise<{ redisCpu: number; commands: number }> {
  const info = await lab.redis.info();
  const number = (field: string) => Number(new RegExp(`^${field}:([\\d.]+)`, "m").exec(info)?.[1] ?? 0);
  return {
    redisCpu: 1_000 * (number("used_cpu_user") + number("used_cpu_sys")),
    commands: number("total_commands_processed"),
  };
}

/** Ten thousand reports wait: what an order costs then, what each takes, and whether it is worked on as fast as without them. */
import type { Lab } from "../lab.ts";
import { median } from "../median.ts";
import { atOnce, reportFleet } from "../systems.ts";
import { allWritten, topicsOf } from "./waiting.ts";

export interface Backlog {
  orders_per_s: number;
  /** Of the first and of the last thousand orders, 20 at a time. */
  ms_per_order_first: number;
  ms_per_order_last: number;
  bytes_per_waiting: number;
  reports_per_s_without: number;
  reports_per_s: number;
}

const WRITTEN = 60;
const COMPARED = 1_000;

export async function backlog(lab: Lab, reports: number): Promise<Backlog> {
  await lab.redis.flushall();
  await lab.provider.script({});
  const fleet = await reportFleet(lab);
  let program = await fleet.start();
  try {
    await fleet.order(topicsOf("report_fleet", "warm", WRITTEN));
    await allWritten(fleet, WRITTEN);
    const before = performance.now();
    await fleet.order(topicsOf("report_fleet", "without", WRITTEN));
    await allWritten(fleet, 2 * WRITTEN);
    const without = (1_000 * WRITTEN) / (performance.now() - before);
    await program.kill("SIGKILL");

    const bytes = await usedBytes(lab);
    const took: number[] = [];
    const from = performance.now();
    await atOnce(topicsOf("report_fleet", "backlog", reports), async (topic) => {
      const at = performance.now();
      await fleet.submit(topic);
      took.push(performance.now() - at);
    });
    const seconds = (performance.now() - from) / 1_000;
    const perWaiting = ((await usedBytes(lab)) - bytes) / reports;

    program = await fleet.start();
    await allWritten(fleet, 3 * WRITTEN);
    const resumed = performance.now();
    await allWritten(fleet, 4 * WRITTEN);
    return {
      orders_per_s: reports / seconds,
      ms_per_order_first: median(took.slice(0, COMPARED)),
      ms_per_order_last: median(took.slice(-COMPARED)),
      bytes_per_waiting: perWaiting,
      reports_per_s_without: without,
      reports_per_s: (1_000 * WRITTEN) / (performance.now() - resumed),
    };
  } finally {
    await program.kill("SIGKILL");
  }
}

async function usedBytes(lab: Lab): Promise<number> {
  return Number(/^used_memory_dataset:(\d+)/m.exec(await lab.redis.info("memory"))?.[1] ?? 0);
}

/**
 * `node bench/capacity.ts`: what each role costs a report, how many connections it holds, and whether a fleet writes what
 * the model of `capacity-model.ts` says. Ends with 1 where one is more than a quarter beside the other. About two minutes.
 */
import { availableParallelism } from "node:os";
import { freePort } from "../src/cli/free-port.ts";
import { clientOverHttp } from "../src/client.ts";
import { createApiKey } from "../src/store/api-keys.ts";
import { waitFor } from "../src/testing.ts";
import { capacityOf, type CostsOfReport, type FleetPlan } from "./capacity-model.ts";
import { cpuMsOf, openLab, type Lab, type Program } from "./lab.ts";
import { redisUse } from "./measures/throughput.ts";
import { allWritten, topicsOf } from "./measures/waiting.ts";
import { reportFleet, type FleetSystem } from "./systems.ts";
import { CALLS_PER_REPORT } from "./workload.ts";

const ROLES = ["orchestrator", "worker"] as const;
const CONCURRENCY = 50;
const WARM_UP = 20;
const REPORTS = 100;
const ORDERS = 500;
const MOST_BESIDE = 0.25;

/** Calls long enough that places, not cores, are what is short. */
const SLOW_CALL_MS = 500;
const FEW_PLACES = 20;
const REPORTS_A_WORKER = 40;

const lab = await openLab();
try {
  console.log("\nwhat a report costs, with answers at once");
  const { cost, reportsPerSecond, connections, apiMsPerOrder } = await costsOfRoles();
  console.table({
    worker: { "CPU ms a report": tenths(cost.worker), connections: connections.worker },
    orchestrator: { "CPU ms a report": tenths(cost.orchestrator), connections: connections.orchestrator },
    api: { "CPU ms a report": tenths(apiMsPerOrder), connections: connections.api },
    redis: { "CPU ms a report": tenths(cost.redis) },
    "provider and producer": { "CPU ms a report": tenths(cost.others) },
  });

  console.log("\nreports a second, by the model and measured");
  const cores = availableParallelism();
  const atOnce: FleetPlan = {
    workers: 1,
    concurrency: CONCURRENCY,
    calls: CALLS_PER_REPORT,
    callSeconds: 0,
    cores,
  };
  const rows = [compared("answers at once", atOnce, cost, reportsPerSecond)];
  for (const workers of [1, 2]) {
    const plan: FleetPlan = {
      ...atOnce,
      workers,
      concurrency: FEW_PLACES,
      callSeconds: SLOW_CALL_MS / 1_000,
    };
    const label = `${workers} × ${FEW_PLACES} places, calls of ${SLOW_CALL_MS} ms`;
    rows.push(compared(label, plan, cost, await written(plan)));
  }
  console.table(Object.fromEntries(rows.map(({ label, ...row }) => [label, row])));
  if (rows.some(({ ratio }) => Math.abs(ratio - 1) > MOST_BESIDE)) process.exitCode = 1;
} finally {
  await lab.close();
}
process.exit();

function compared(label: string, plan: FleetPlan, cost: CostsOfReport, measured: number) {
  const { reportsPerSecond: model, limitedBy } = capacityOf(plan, cost);
  return {
    label,
    model: tenths(model),
    "limited by": limitedBy,
    measured: tenths(measured),
    ratio: hundredths(measured / model),
  };
}

async function costsOfRoles() {
  await lab.provider.script({});
  const fleet = await reportFleet(lab);
  const connections = { orchestrator: 0, worker: 0, api: 0 };
  const programs: Program[] = [];
  const used = new Map<string, () => number>();
  for (const role of ROLES) {
    const { program, opened } = await counted(lab, () =>
      fleet.startRoles(role, { concurrency: CONCURRENCY }),
    );
    programs.push(program);
    connections[role] = opened;
    used.set(role, () => cpuMsOf(program.pid));
  }
  used.set("provider", () => cpuMsOf(lab.provider.pid));
  used.set("producer", () => cpuMsOf(process.pid));
  const now = async () =>
    ({
      at: performance.now(),
      redis: (await redisUse(lab)).redisCpu,
      ...Object.fromEntries([...used].map(([name, cpu]) => [name, cpu()])),
    }) as Record<"at" | "redis" | "provider" | "producer" | (typeof ROLES)[number], number>;
  try {
    await fleet.order(topicsOf("report_fleet", "warm", WARM_UP));
    await allWritten(fleet, WARM_UP);
    const before = await now();
    await fleet.order(topicsOf("report_fleet", "hot", REPORTS));
    await allWritten(fleet, WARM_UP + REPORTS);
    const after = await now();
    const each = (name: keyof typeof before) => (after[name] - before[name]) / REPORTS;
    const api = await costOfOrder(fleet);
    connections.api = api.connections;
    return {
      cost: {
        worker: each("worker"),
        orchestrator: each("orchestrator"),
        redis: each("redis"),
        others: each("provider") + each("producer"),
      },
      reportsPerSecond: 1_000 / each("at"),
      connections,
      apiMsPerOrder: api.msPerOrder,
    };
  } finally {
    for (const program of programs) await program.kill("SIGKILL");
  }
}

/** An order over HTTP and one look at its status. */
async function costOfOrder(fleet: FleetSystem): Promise<{ connections: number; msPerOrder: number }> {
  const port = await freePort();
  const { text: apiKey } = await createApiKey(fleet.store, {
    name: "capacity",
    account: "bench",
    scopes: ["reports:read", "reports:write"],
    expiresAt: null,
    by: "bench",
  });
  const { program, opened } = await counted(lab, () =>
    fleet.startRoles("api", { env: { PORT: String(port), API_REQUESTS_PER_MINUTE: "1000000" } }),
  );
  try {
    const client = clientOverHttp({ baseUrl: `http://127.0.0.1:${port}`, apiKey });
    const order = async (nth: number) => {
      const { id } = await client.submit({
        account: "bench",
        type: "bench",
        source: { topic: `http ${nth}` },
        key: `http-${nth}`,
      });
      await client.status(id);
    };
    for (let nth = 0; nth < WARM_UP; nth++) await order(nth);
    const before = cpuMsOf(program.pid);
    for (let nth = WARM_UP; nth < WARM_UP + ORDERS; nth++) await order(nth);
    return { connections: opened, msPerOrder: (cpuMsOf(program.pid) - before) / ORDERS };
  } finally {
    await program.kill("SIGKILL");
  }
}

async function written(plan: FleetPlan): Promise<number> {
  await lab.provider.script({ latencyMs: plan.callSeconds * 1_000 });
  const fleet = await reportFleet(lab);
  const programs = [await fleet.startRoles("orchestrator")];
  for (let nth = 0; nth < plan.workers; nth++)
    programs.push(await fleet.startRoles("worker", { concurrency: plan.concurrency }));
  try {
    const reports = REPORTS_A_WORKER * plan.workers;
    const from = performance.now();
    await fleet.order(topicsOf("report_fleet", `slow-${plan.workers}`, reports));
    await allWritten(fleet, reports);
    return (1_000 * reports) / (performance.now() - from);
  } finally {
    for (const program of programs) await program.kill("SIGKILL");
  }
}

/** The connections a process holds once it has opened those it wants. */
async function counted(
  of: Lab,
  start: () => Promise<Program>,
): Promise<{ program: Program; opened: number }> {
  const before = await connectionsOf(of);
  const program = await start();
  let last = -1;
  const steady = await waitFor(
    async () => {
      const now = await connectionsOf(of);
      const same = now === last && now > before;
      last = now;
      return same ? now : null;
    },
    () => "the connections of a process do not settle",
  );
  return { program, opened: steady - before };
}

async function connectionsOf(of: Lab): Promise<number> {
  return String(await of.redis.client("LIST"))
    .trim()
    .split("\n").length;
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}

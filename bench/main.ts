/**
 * `npm run bench`: what Report Fleet costs beside what a team would otherwise write, in one run on one Redis.
 *
 *     --quick   the first measures only, within 50 seconds
 *     --json    the figures as JSON instead of a table
 */
import { parseArgs } from "node:util";
import { openLab, type Lab } from "./lab.ts";
import { median } from "./median.ts";
import { backlog } from "./measures/backlog.ts";
import { brokenType } from "./measures/broken-type.ts";
import { bytes } from "./measures/bytes.ts";
import { hanging } from "./measures/hanging.ts";
import { kills } from "./measures/kills.ts";
import { latency } from "./measures/latency.ts";
import { longCalls } from "./measures/long-calls.ts";
import { mendedParser } from "./measures/mended-parser.ts";
import { outage } from "./measures/outage.ts";
import { recovery } from "./measures/recovery.ts";
import { throughput, withWorkers, type Throughput } from "./measures/throughput.ts";
import { waste, type Waste } from "./measures/waste.ts";
import { SYSTEMS, type SystemName } from "./systems.ts";

interface Size {
  /** The systems take turns, so that what else the machine does meets all of them. */
  rounds: number;
  reports: number;
  reportsWithFaults: number;
}

const WHOLE: Size = { rounds: 3, reports: 100, reportsWithFaults: 30 };
const QUICK: Size = { rounds: 2, reports: 60, reportsWithFaults: 12 };

type Figures = Record<SystemName, Throughput & Waste>;

export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { quick: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
  });
  const lab = await openLab();
  try {
    const tables = await measure(lab, values.quick, values.json ? () => undefined : show);
    if (values.json) console.log(JSON.stringify(tables, rounded, 2));
  } finally {
    await lab.close();
  }
}

/** Each table is told as soon as it is measured: the whole takes eleven minutes. */
async function measure(lab: Lab, quick: boolean, tell: Tell): Promise<Record<string, Table>> {
  const tables: Record<string, Table> = {};
  function found(name: string, table: Table): void {
    tables[name] = table;
    tell(name, table);
  }
  const systems = await sideBySide(lab, quick ? QUICK : WHOLE);
  found("systems", systems);
  const { report_fleet: fleet, plain_bullmq: plain } = systems;
  found("to_plain_bullmq", {
    reports_per_s: { ratio: fleet.reports_per_s / plain.reports_per_s },
    cpu_ms_per_report: { ratio: fleet.cpu_ms_per_report / plain.cpu_ms_per_report },
  });
  if (quick) return tables;

  async function ofBoth(name: string, one: (system: SystemName) => Promise<object>): Promise<void> {
    const table: Record<string, object> = {};
    for (const system of ["report_fleet", "plain_bullmq"] as const) table[system] = await one(system);
    found(name, table);
  }
  async function ofFleet(name: string, one: () => Promise<object>): Promise<void> {
    found(name, { report_fleet: await one() });
  }
  await ofFleet("latency", () => latency(lab, 30));
  await ofBoth("everysec", (system) => throughput(lab, system, 100, "everysec"));
  found("worker_processes", {
    one: await withWorkers(lab, 1, 100),
    two: await withWorkers(lab, 2, 100),
    three: await withWorkers(lab, 3, 100),
  });
  await ofBoth("bytes", (system) => bytes(lab, system, 100));
  await ofFleet("recovery", () => recovery(lab));
  await ofFleet("hanging_calls", () => hanging(lab, 1_000));
  await ofFleet("backlog", () => backlog(lab, 10_000));
  await ofFleet("mended_parser", () => mendedParser(lab, 80));
  await ofBoth("kill_9_four_times", (system) => kills(lab, system, 80, 100));
  await ofBoth("broken_type", (system) => brokenType(lab, system, 100));
  await ofBoth("outage_45_s", (system) => outage(lab, system, 60, 45_000));
  await ofBoth("calls_of_30_s", (system) => longCalls(lab, system, 6));
  return tables;
}

type Table = Readonly<Record<string, object>>;
type Tell = (name: string, table: Table) => void;

function show(name: string, table: Table): void {
  console.log(`\n${name}`);
  console.table(JSON.parse(JSON.stringify(table, rounded)));
}

async function sideBySide(lab: Lab, size: Size): Promise<Figures> {
  const rounds: Record<SystemName, Throughput[]> = { report_fleet: [], plain_bullmq: [], blind_retries: [] };
  for (let round = 0; round < size.rounds; round++)
    for (const name of SYSTEMS) rounds[name].push(await throughput(lab, name, size.reports));
  const figures = {} as Figures;
  for (const name of SYSTEMS)
    figures[name] = { ...medians(rounds[name]), ...(await waste(lab, name, size.reportsWithFaults)) };
  return figures;
}

function medians<Row extends object>(rows: readonly Row[]): Row {
  const [first] = rows;
  if (first === undefined) throw new Error("Nothing was measured.");
  const names = Object.keys(first) as (keyof Row)[];
  return Object.fromEntries(names.map((name) => [name, median(rows.map((row) => Number(row[name])))])) as Row;
}

function rounded(_name: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(4)) : value;
}

/**
 * `npm run bench`: what Report Fleet costs beside what a team would otherwise write, in one run on one Redis.
 *
 *     --quick   the first measures only, within 50 seconds
 *     --json    the figures as JSON instead of a table
 */
import { parseArgs } from "node:util";
import { openLab, type Lab } from "./lab.ts";
import { median } from "./median.ts";
import { brokenType } from "./measures/broken-type.ts";
import { bytes } from "./measures/bytes.ts";
import { kills } from "./measures/kills.ts";
import { latency } from "./measures/latency.ts";
import { outage } from "./measures/outage.ts";
import { throughput, type Throughput } from "./measures/throughput.ts";
import { waste, type Waste } from "./measures/waste.ts";
import { SYSTEMS, type SystemName } from "./systems.ts";

interface Size {
  /** The systems take turns, so that what else the machine does meets all of them. */
  rounds: number;
  reports: number;
  reportsWithFaults: number;
}

const WHOLE: Size = { rounds: 3, reports: 150, reportsWithFaults: 40 };
const QUICK: Size = { rounds: 2, reports: 60, reportsWithFaults: 12 };

type Figures = Record<SystemName, Throughput & Waste>;

export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { quick: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
  });
  const lab = await openLab();
  try {
    const systems = await sideBySide(lab, values.quick ? QUICK : WHOLE);
    const { report_fleet: fleet, plain_bullmq: plain } = systems;
    const to_plain_bullmq = {
      reports_per_s: fleet.reports_per_s / plain.reports_per_s,
      cpu_ms_per_report: fleet.cpu_ms_per_report / plain.cpu_ms_per_report,
    };
    const more = values.quick ? {} : await theRest(lab);
    if (values.json) console.log(JSON.stringify({ systems, to_plain_bullmq, ...more }, rounded, 2));
    else {
      console.table(systems);
      console.table({ "report_fleet / plain_bullmq": to_plain_bullmq });
      for (const [name, rows] of Object.entries(more)) {
        console.log(`\n${name}`);
        console.table(rows);
      }
    }
  } finally {
    await lab.close();
  }
}

/** What takes longer than a minute; each measure says in its own file what it does. */
async function theRest(lab: Lab): Promise<Record<string, Record<string, unknown>>> {
  const both = ["report_fleet", "plain_bullmq"] as const;
  async function ofBoth(measure: (name: SystemName) => Promise<unknown>): Promise<Record<string, unknown>> {
    const rows: Record<string, unknown> = {};
    for (const name of both) rows[name] = await measure(name);
    return rows;
  }
  return {
    latency: { report_fleet: await latency(lab, 30) },
    bytes: await ofBoth((name) => bytes(lab, name, 100)),
    everysec: await ofBoth((name) => throughput(lab, name, 150, "everysec")),
    kill_9_four_times: await ofBoth((name) => kills(lab, name, 80, 100)),
    outage_45_s: await ofBoth((name) => outage(lab, name, 60, 45_000)),
    broken_type: await ofBoth((name) => brokenType(lab, name, 100)),
  };
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

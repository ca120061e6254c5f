/**
 * How long a report takes to begin on an idle fleet, and on one where thousands of another account's are in front of it.
 * Both fleets run at the same time, each with an orchestrator and a worker of its own, on one Redis and one provider, and
 * are asked in turn: whatever else the machine does meets both.
 *
 *     node bench/fairness.ts [reports] [milliseconds of a call]
 */
import { setTimeout as pause } from "node:timers/promises";
import { readEvents } from "../src/store/read-events.ts";
import { countPlaces } from "../src/store/places.ts";
import type { ReportId } from "../src/domain/ids.ts";
import { waitFor } from "../src/testing.ts";
import { openLab } from "./lab.ts";
import { median } from "./median.ts";
import { CALLS_PER_REPORT, SECTIONS } from "./workload.ts";
import { atOnce, reportFleet, type FleetSystem } from "./systems.ts";

const REPORTS = Number(process.argv[2] ?? 10_000);
const SAMPLES = 16;
const CALL_MS = Number(process.argv[3] ?? 2_000);
const CONCURRENCY = 50;
const CALLS_A_SECTION = CALLS_PER_REPORT / SECTIONS.length;

/** From the order on, in ms by the clock of Redis. */
interface Beginning {
  planned: number;
  started: number;
  begun: number;
}

async function beginning({ store }: FleetSystem, id: ReportId): Promise<Beginning> {
  return waitFor(
    async () => {
      const events = await readEvents(store, id, "0");
      const ordered = events[0]?.at ?? 0;
      const at = (is: (event: (typeof events)[number]["event"]) => boolean) => {
        const found = events.find(({ event }) => is(event));
        return found === undefined ? null : found.at - ordered;
      };
      const planned = at(({ event }) => event === "report.planned");
      const started = at(({ event }) => event === "run.started");
      const begun = at((event) => event.event === "section.status" && event.status === "running");
      return planned === null || started === null || begun === null ? null : { planned, started, begun };
    },
    () => `${id} has not begun`,
  );
}

async function sample(label: string, fleets: Record<string, FleetSystem>): Promise<void> {
  const found: Record<string, Beginning[]> = Object.fromEntries(
    Object.keys(fleets).map((name) => [name, []]),
  );
  for (let nth = 0; nth < SAMPLES; nth++) {
    for (const [name, fleet] of Object.entries(fleets)) {
      const topic = `small-${label}-${nth}`;
      found[name]?.push(await beginning(fleet, await fleet.submit(topic, topic)));
    }
    // A section's time: the next account finds what this one's sections had borrowed paid back.
    await pause(CALLS_A_SECTION * CALL_MS);
  }
  for (const [name, all] of Object.entries(found)) {
    const of = (part: keyof Beginning) => all.map((one) => one[part]);
    const slowest = Math.max(...of("begun"));
    console.log(
      `${label}, ${name}: planned after ${median(of("planned"))} ms, started after ${median(of("started"))} ms, ` +
        `first section after ${median(of("begun"))} ms (median of ${SAMPLES}; slowest ${slowest} ms)`,
    );
  }
}

const lab = await openLab();
try {
  await lab.provider.script({ latencyMs: CALL_MS });
  const fleets = { idle: await reportFleet(lab), flooded: await reportFleet(lab) };
  for (const fleet of Object.values(fleets))
    for (const role of ["orchestrator", "worker"]) await fleet.startRoles(role, { concurrency: CONCURRENCY });
  await sample("before", fleets);
  await atOnce(
    Array.from({ length: REPORTS }, (_, nth) => `flood-${nth}`),
    async (topic) => void (await fleets.flooded.submit(topic, "flood")),
  );
  const { waiting, running } = await countPlaces(fleets.flooded.store, "flood");
  console.log(`${waiting} reports of one account wait, ${running} are being written`);
  await sample("while-taken-in", fleets);
  await waitFor(
    async () => (await countPlaces(fleets.flooded.store, "flood")).waiting === 0,
    () => "some reports have not begun",
    900_000,
  );
  console.log(`${(await countPlaces(fleets.flooded.store, "flood")).running} of them are being written`);
  await sample("beside", fleets);
} finally {
  await lab.close();
}
process.exit();

/** A process dies between two steps of its own: no goodbye, nothing flushed, its links just gone. */
import type { FleetSlot } from "../fleet-slot.ts";
import type { Aim } from "../redis-link.ts";
import type { ScriptName } from "../script-names.ts";
import { strike, until, withSlot, type Chaos, type Fault } from "./fault.ts";

const FAULT = "F1";
const COMES_WITHIN_MS = 25_000;

type Point = readonly [role: FleetSlot["role"], script: ScriptName, aim: Aim, point: string];

const POINTS: readonly Point[] = [
  ["worker", "calls/BEGIN", "pass", "while the provider answers"],
  ["worker", "call-outcomes/RECORD", "after", "after record, before the section goes on"],
  ["orchestrator", "deliver/DELIVER", "after", "after it delivered"],
  ["worker", "sections/FINISH", "after", "after finish, before the job ends"],
  ["worker", "calls/BEGIN", "before", "before begin"],
  ["worker", "call-outcomes/RECORD", "before", "after the answer, before record"],
  [
    "orchestrator",
    "report-transitions/START_ROUND",
    "after",
    "after it started a round, before its jobs are there",
  ],
  ["orchestrator", "deliver/DELIVER", "before", "before it delivered"],
];

export const killed: Fault = {
  id: FAULT,
  what: "a worker or the orchestrator is killed at a point of its work",
  async inject(chaos, nth) {
    const point = POINTS[nth % POINTS.length];
    if (point !== undefined) await withSlot(chaos, FAULT, point[0], (slot) => killAt(chaos, slot, point));
  },
};

async function killAt(chaos: Chaos, slot: FleetSlot, [, script, aim, point]: Point): Promise<void> {
  const target = slot.incarnation;
  await strike(chaos, FAULT, target, async () => {
    let inFlight = 0;
    // Of this process: after a moment the slot has a new one.
    const { ended } = slot;
    const kill = () => {
      inFlight = chaos.world.inFlight(target);
      slot.signal("SIGKILL");
    };
    const met = await slot.link.meet(script, aim, COMES_WITHIN_MS, aim === "pass" ? undefined : kill);
    if (met !== null && aim === "pass") {
      // Its request has left once the provider has it.
      await until(() => chaos.world.inFlight(target) > 0 || !slot.running, 5_000);
      kill();
    }
    if (met !== null) await ended;
    return { hit: met !== null, detail: point, inFlight };
  });
}

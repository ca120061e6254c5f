/** A process dies between two steps of its own: no goodbye, nothing flushed, its links just gone. */
import type { FleetSlot } from "../fleet-slot.ts";
import type { Aim } from "../redis-link.ts";
import type { ScriptName } from "../script-names.ts";
import { strike, until, withSlot, type Chaos, type Fault } from "./fault.ts";

const FAULT = "F1";
const COMES_WITHIN_MS = 25_000;

const POINTS: readonly { role: FleetSlot["role"]; point: string; script: ScriptName; aim: Aim }[] = [
  { role: "worker", point: "while the provider answers", script: "calls/BEGIN", aim: "pass" },
  { role: "worker", point: "after record, before the section goes on", script: "calls/RECORD", aim: "after" },
  { role: "orchestrator", point: "after it delivered", script: "deliver/DELIVER", aim: "after" },
  { role: "worker", point: "after finish, before the job ends", script: "sections/FINISH", aim: "after" },
  { role: "worker", point: "before begin", script: "calls/BEGIN", aim: "before" },
  { role: "worker", point: "after the answer, before record", script: "calls/RECORD", aim: "before" },
  {
    role: "orchestrator",
    point: "after it started a round, before its jobs are there",
    script: "reports/START_ROUND",
    aim: "after",
  },
  { role: "orchestrator", point: "before it delivered", script: "deliver/DELIVER", aim: "before" },
];

export const killed: Fault = {
  id: FAULT,
  what: "a worker or the orchestrator is killed at a point of its work",
  async inject(chaos, nth) {
    const point = POINTS[nth % POINTS.length];
    if (point !== undefined) await withSlot(chaos, FAULT, point.role, (slot) => killAt(chaos, slot, point));
  },
};

async function killAt(
  chaos: Chaos,
  slot: FleetSlot,
  { point, script, aim }: (typeof POINTS)[number],
): Promise<void> {
  const target = slot.incarnation;
  await strike(chaos, FAULT, target, async () => {
    let inFlight = 0;
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
    if (met !== null) await slot.ended;
    return { hit: met !== null, detail: point, inFlight };
  });
}

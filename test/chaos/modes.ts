/** How long and how hard: each mode is a plan, and a plan is decided by its seed. */
import { planRun, type Plan, type PlanSettings } from "./plan.ts";

/** Faults that need each other's processes stand in one lane. */
const WORKERS = ["F1", "F2", "F1", "F15", "F1", "F13", "F1", "F14", "F16", "F1"];
const STORE = ["F6", "F4", "F7", "F9", "F6", "F10", "F8", "F6", "F5", "F11"];
const DOORS = ["F3", "F12", "F3", "F12"];

/** One pass over every fault, for every change. */
export function quickPlan(seed: number): Plan {
  return planRun({
    seed,
    loadMs: 55_000,
    orders: 200,
    lanes: [WORKERS, STORE, DOORS],
    repeat: false,
    provoked: 0.35,
  });
}

export function longPlan(seed: number, minutes: number): Plan {
  const loadMs = minutes * 60_000;
  const orders = Math.round(minutes * 135);
  return planRun({ seed, loadMs, orders, lanes: [WORKERS, STORE, DOORS], repeat: true, provoked: 0.35 });
}

/** Only these faults and orders, for a look at one of them. */
export function chosenPlan(chosen: Omit<PlanSettings, "repeat">): Plan {
  return planRun({ ...chosen, repeat: false });
}

/** What a fault is to the supervisor: it hits somebody, waits until the fault is over, and says whether it hit as meant. */
import type { FleetSlot } from "../fleet-slot.ts";
import type { FaultRow } from "../witnesses.ts";
import type { World } from "../world.ts";

export interface Chaos {
  world: World;
  /** The run's only source of chance. */
  random: () => number;
}

export interface Fault {
  id: `F${number}`;
  what: string;
  /** `nth` counts how often this fault was injected in this run, from 0, so that its forms take turns. */
  inject(chaos: Chaos, nth: number): Promise<void>;
}

type Outcome = Pick<FaultRow, "hit" | "detail"> & Partial<Pick<FaultRow, "inFlight" | "facts">>;

/** Does it, and writes down what was done to whom, from when to when. */
export async function strike(
  { world }: Chaos,
  fault: Fault["id"],
  target: string,
  act: () => Promise<Outcome>,
): Promise<void> {
  const from = Date.now();
  const before = world.inFlight(target);
  const { hit, detail, inFlight = before, facts = {} } = await act();
  world.note({ fault, target, from, to: Date.now(), detail, inFlight, hit, facts });
}

/** Borrows a process for as long as the work lasts; without a free one the fault has not hit. */
export async function withSlot(
  chaos: Chaos,
  fault: Fault["id"],
  role: FleetSlot["role"],
  work: (slot: FleetSlot) => Promise<void>,
): Promise<void> {
  const slot = await borrowWithin(chaos, role, 30_000);
  if (slot === null) {
    await strike(chaos, fault, role, () => Promise.resolve({ hit: false, detail: `no ${role} was free` }));
    return;
  }
  try {
    await work(slot);
  } finally {
    slot.borrowed = false;
  }
}

async function borrowWithin(
  { world, random }: Chaos,
  role: FleetSlot["role"],
  limitMs: number,
): Promise<FleetSlot | null> {
  let slot: FleetSlot | null = null;
  await until(() => (slot = world.borrow(role, random)) !== null, limitMs);
  return slot;
}

/** True once it holds, false where it did not within the limit. */
export async function until(holds: () => boolean | Promise<boolean>, limitMs: number): Promise<boolean> {
  const end = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export function between(from: number, to: number, random: () => number): number {
  return Math.round(from + random() * (to - from));
}

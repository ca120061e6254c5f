/**
 * Loads and faults that bring the planted bugs out, each within a minute. Several bugs share one, and the clean sources
 * must be green under it on the same seed, or a bug that is "caught" would mean nothing.
 */
import { chosenPlan } from "../modes.ts";
import type { Plan } from "../plan.ts";

export const SCENARIOS = {
  /** No fault but the provider's: bad answers, named waits, a type that breaks; people decide and cancel. */
  provider: {
    loadMs: 16_000,
    orders: 90,
    lanes: [],
    provoked: 0.6,
    types: { chain: 30, stairs: 25, brittle: 45 },
  },
  /** Processes die at the worst moments, and replies are lost. */
  deaths: {
    loadMs: 16_000,
    orders: 80,
    lanes: [
      ["F1:0", "F1:3", "F1:2", "F1:1"],
      ["F3:0", "F6:2", "F3:1"],
    ],
    provoked: 0.1,
    types: { pair: 30, stairs: 40, chain: 30 },
  },
  /** A worker sleeps and wakes up; a stored answer is altered. */
  zombies: {
    loadMs: 24_000,
    orders: 120,
    lanes: [["F2", "F15", "F15"]],
    provoked: 0,
    types: { stairs: 100 },
  },
} as const;

export type ScenarioName = keyof typeof SCENARIOS;

export function scenarioPlan(name: ScenarioName, seed: number): Plan {
  return chosenPlan({ seed, ...SCENARIOS[name] });
}

/**
 * Loads and faults that bring the planted bugs out, each within a minute and with a seed whose plan has all that they need.
 * Several bugs share one, and the clean sources must be green under it, or a bug that is "caught" would mean nothing.
 */
import { chosenPlan } from "../modes.ts";
import type { Plan } from "../plan.ts";

export const SCENARIOS = {
  /** No fault but the provider's: bad answers, named waits, a type that breaks between them. */
  provider: {
    seed: 7,
    loadMs: 16_000,
    orders: 100,
    lanes: [],
    provoked: 0.6,
    kinds: ["refusal", "refusal", "rate_limit", "server_error", "cut_mid_body"],
    cancelled: 0,
    types: { chain: 40, stairs: 35, brittle: 25 },
    decisions: { "deliver-partial": 60, resume: 30, reject: 10 },
  },
  /** A type breaks under many orders, and is tried again by a few of those that wait and come. */
  trial: {
    seed: 7,
    loadMs: 18_000,
    orders: 110,
    lanes: [],
    provoked: 0,
    types: { brittle: 80, pair: 20 },
  },
  /** People cancel what is being written, and take a part of what cannot be. */
  people: {
    seed: 7,
    loadMs: 16_000,
    orders: 80,
    lanes: [],
    provoked: 0.9,
    kinds: ["refusal"],
    cancelled: 0.4,
    slow: ["stairs"],
    types: { chain: 60, stairs: 40 },
    decisions: { "deliver-partial": 100 },
  },
  /** Processes die at the worst moments, and replies are lost. */
  deaths: {
    seed: 1,
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
    seed: 1,
    loadMs: 24_000,
    // Few enough that the others have places for what they are handed.
    orders: 60,
    lanes: [["F15", "F15", "F2:0", "F2:0"]],
    provoked: 0,
    slow: ["stairs"],
    types: { stairs: 100 },
  },
} as const;

export type ScenarioName = keyof typeof SCENARIOS;

export function scenarioPlan(name: ScenarioName): Plan {
  return chosenPlan(SCENARIOS[name]);
}

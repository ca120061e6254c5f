/**
 * A bug that the checker must catch: one change of one behaviour, made in a copy of the sources. Each was somebody's bug
 * once, or is what is left when a rule of ours is forgotten.
 */
import type { ScenarioName } from "./scenarios.ts";

export interface PlantedBug {
  name: string;
  /** What is forgotten, and what comes of it. */
  because: string;
  /** Any of these, violated, has caught it. */
  caughtBy: readonly number[];
  /** Under which load and faults it comes out. */
  scenario: ScenarioName;
  edits: readonly Edit[];
}

export interface Edit {
  /** Below `src`. */
  file: string;
  /** Occurs exactly once there, or the bug is planted in sources that have moved on. */
  from: string;
  to: string;
}

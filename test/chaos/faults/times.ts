import { loadConfig } from "../../../src/config.ts";
import { TIME_SCALE } from "../plan.ts";

const { durations } = loadConfig({ TIME_SCALE: String(TIME_SCALE) });

/** After so long a silence a process is given up. */
export const SUSPECT_MS = durations.suspectAfterMs;

/** By then every report has moved on or stopped for a person, once nothing is in its way any more. */
export const RECOVERY_MS = durations.lockMs + durations.stalledMs + durations.wakeAfterMs + durations.sweepMs;

import type { Board } from "./board.ts";
import { fleetBoard } from "./boards/fleet.ts";
import { llmBoard } from "./boards/llm.ts";
import { reviewBoard } from "./boards/review-and-credits.ts";
import { sloBoard } from "./boards/slo.ts";
import { spendBoard } from "./boards/spend.ts";

/** By the name of their file in `dashboards/grafana/`. */
export const BOARDS: Readonly<Record<string, Board>> = {
  fleet: fleetBoard,
  spend: spendBoard,
  "review-and-credits": reviewBoard,
  llm: llmBoard,
  slo: sloBoard,
};

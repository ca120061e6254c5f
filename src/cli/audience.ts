/** Who looks at progress: a person at a terminal, a log, or a program that reads the result and nothing else. */
import type { Output } from "./output.ts";
import { NARROWEST, ProgressBoard } from "./progress-board.ts";
import { ProgressLines } from "./progress-lines.ts";
import type { Audience } from "./watch-reports.ts";

const SILENCE: Audience = {
  events: () => undefined,
  snapshot: () => undefined,
  close: () => undefined,
};

export function audienceFor(output: Output): Audience {
  if (output.json) return SILENCE;
  const roomy = process.stderr.columns >= NARROWEST;
  // On a narrower terminal the lines of a board would wrap, and could not be drawn over.
  return output.interactive && roomy ? new ProgressBoard(output) : new ProgressLines(output);
}

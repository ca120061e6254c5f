/** What a report needs next, decided from its sections alone. Pure; BullMQ's view of its children is never asked. */
import type { FailureSummary, PlannedSection, Section } from "../domain/report.ts";
import { readySections } from "../report-types/plan.ts";

export type Move =
  /** These sections may be written now. */
  | { move: "write"; sections: string[] }
  /** Everything is there. */
  | { move: "deliver" }
  /** Nothing can go on without a person. */
  | { move: "review"; failure: FailureSummary };

export function nextMove(
  plan: readonly PlannedSection[],
  sections: readonly Section[],
  halted: FailureSummary | null,
): Move {
  if (halted !== null) return { move: "review", failure: halted };
  const ready = readySections(
    plan,
    Object.fromEntries(sections.map((section) => [section.key, section.status])),
  );
  if (ready.length > 0) return { move: "write", sections: ready };
  const failures = sections.flatMap((section) =>
    section.status === "needs_review" || section.status === "failed" ? [section.failure] : [],
  );
  return failures[0] === undefined ? { move: "deliver" } : { move: "review", failure: failures[0] };
}

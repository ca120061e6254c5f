/** What a report needs next, decided from its sections alone. Pure; BullMQ's view of its children is never asked. */
import type { FailureSummary, PlannedSection, Section } from "../domain/report.ts";
import { readySections } from "../report-types/plan.ts";

export type Move =
  /** These sections may be written now. */
  | { move: "write"; sections: string[] }
  /** Everything is there. */
  | { move: "deliver" }
  /** Nothing can go on without a person, who decides about these sections. */
  | { move: "review"; failure: FailureSummary; sections: string[] };

export function nextMove(
  plan: readonly PlannedSection[],
  sections: readonly Section[],
  halted: FailureSummary | null,
): Move {
  const stopped = sections.filter(
    (section) => section.status === "needs_review" || section.status === "failed",
  );
  const review = (failure: FailureSummary): Move => ({
    move: "review",
    failure,
    sections: stopped.map(({ key }) => key),
  });
  if (halted !== null) return review(halted);
  const ready = readySections(
    plan,
    Object.fromEntries(sections.map((section) => [section.key, section.status])),
  );
  if (ready.length > 0) return { move: "write", sections: ready };
  return stopped[0] === undefined ? { move: "deliver" } : review(stopped[0].failure);
}

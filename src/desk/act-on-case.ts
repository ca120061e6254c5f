/** One decision about one case, whichever it is, as a page sends it: the same functions as the command line's and the API's. */
import { FleetError } from "../domain/fleet-error.ts";
import type { Action, PromptChoice, ReviewCase } from "../domain/review.ts";
import type { Counter } from "../producer/submit-report.ts";
import { correctSource } from "./correct-source.ts";
import {
  acceptEdited,
  resumeCase,
  revalidateCase,
  skipSection,
  type Ruled,
  type Ruling,
} from "./decide-case.ts";
import { deliverPartial } from "./deliver-partial.ts";
import { cancelReport, rejectReport, type EndedByPerson } from "./end-by-person.ts";

/** What a person has seen: the version of the case, and the count of decisions about its report. */
export interface Seen {
  version: number;
  decisions: number;
}

export interface Asked {
  action: Action;
  prompt: PromptChoice;
  /** What was written for `accept_edited` and `correct_source`, read already. */
  value: unknown;
}

export async function actOnCase(
  desk: Counter,
  found: ReviewCase,
  { action, prompt, value }: Asked,
  seen: Seen,
  ruling: Required<Pick<Ruling, "by" | "why" | "operation">>,
): Promise<Ruled | EndedByPerson> {
  const ofCase: Ruling = { ...ruling, version: seen.version };
  const ofReport: Ruling = { ...ruling, version: seen.decisions };
  switch (action) {
    case "resume":
      return resumeCase(desk, found.id, ofCase, prompt);
    case "revalidate":
      return revalidateCase(desk, found.id, ofCase);
    case "accept_edited":
      return acceptEdited(desk, found.id, value, ofCase);
    case "skip_section":
      return skipSection(desk, found.id, ofCase);
    case "correct_source":
      return correctSource(desk, found.report, value, ofReport);
    case "deliver_partial":
      return deliverPartial(desk, found.report, ofReport);
    case "reject":
      requireSeen(found, seen);
      return rejectReport(desk, found.report, ruling);
    case "cancel":
      requireSeen(found, seen);
      return cancelReport(desk, found.report, ruling);
  }
}

/** The ends of a report name no version in their script; the report's own status is checked there again. */
function requireSeen(found: ReviewCase, { version }: Seen): void {
  if (found.version === version) return;
  const { state } = found;
  throw new FleetError(
    "stale_version",
    state.status === "resolved"
      ? `Case ${found.id} was already decided: ${state.action}.`
      : `Case ${found.id} has changed since you looked at it. Look at it again before you decide.`,
  );
}

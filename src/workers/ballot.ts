/** What a section (or a report) that has come to an end says about its type: one paper per failure nothing healed. */
import { voteOf } from "../classifier/vote-of.ts";
import type { FailureSummary } from "../domain/report.ts";
import type { BallotPaper } from "../store/breakers.ts";
import type { Session } from "./session.ts";

export function ballotOf(session: Session, final: FailureSummary | null): BallotPaper[] {
  const givenUp = session.givenUp.map((failure) => ({ ...paperOf(failure), givenUp: true }));
  return final === null ? givenUp : [...givenUp, paperOf(final)];
}

export function paperOf(failure: FailureSummary): BallotPaper {
  return { failure, weight: voteOf(failure), givenUp: false };
}

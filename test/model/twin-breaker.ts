/** The type's breaker of the twin is the domain's own; here is who shows it what. */
import {
  observe,
  wordFor,
  type BreakerWord,
  type Observation,
  type VoteWeight,
} from "../../src/domain/breaker.ts";
import type { BallotPaper } from "../../src/store/breakers.ts";
import { BREAKER, type Report, type Twin } from "./twin.ts";
import { A_FAILURE } from "../support/store-for-tests.ts";

export function see(twin: Twin, observation: Observation): void {
  twin.breaker = observe(twin.breaker, observation, 0, BREAKER);
}

/** What a report is told that wants to go on; without a version, whoever will write it. */
export function askBreaker(twin: Twin, report: Report, version: number | null): BreakerWord {
  const asked = { report: report.id, version: version ?? twin.breaker.version };
  see(twin, { saw: "asked", ...asked });
  return wordFor(twin.breaker, asked, 0);
}

export function ballotOf(weight: VoteWeight, givenUp = false): BallotPaper[] {
  return [{ failure: A_FAILURE, weight, givenUp }];
}

/** Failures that nothing healed, each a vote if it is structural; without one a finished section is a success. */
export function castBallot(
  twin: Twin,
  report: Report,
  section: string,
  version: number,
  papers: readonly BallotPaper[],
  finished: boolean,
): void {
  const votes = papers.filter(({ weight }) => weight !== "none");
  for (const { weight, failure } of votes) {
    const who = weight === "counts_per_account" ? report.account : report.id;
    const vote = { voter: `${who}/${section}`, report: report.id, section, version, failure };
    see(twin, { saw: "failure", vote, atOnce: weight === "opens_at_once", burntMicros: 0 });
  }
  if (finished && votes.length === 0) see(twin, { saw: "success", section, version });
}

export function placeInLine(report: Report): void {
  if (!report.running) report.waiting = true;
}

export function leavePlaces(report: Report): void {
  report.waiting = false;
  report.running = false;
  report.capped = false;
}

/** Of a report that nobody works on any more: no line keeps it, its type's breaker's neither. */
export function leaveLines(twin: Twin, report: Report): void {
  leavePlaces(report);
  twin.postponed.delete(report.id);
}

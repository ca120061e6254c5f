/**
 * Whether a failure is a vote to stop its report type: the policy's word, narrowed by how far the cause reaches.
 *
 * A refusal depends on what the customer asked about. It votes, because a prompt that the model always refuses is broken,
 * but all refusals of one account are one vote: a single tenant's topics never stop a type for the others.
 */
import type { VoteWeight } from "../domain/breaker.ts";
import { FAILURE_POLICY } from "../domain/failure.ts";
import type { FailureSummary } from "../domain/report.ts";

const ABOUT_THE_CUSTOMERS_TEXT = ["refused", "output_filtered"];

export function voteOf(failure: Pick<FailureSummary, "kind" | "code" | "scope">): VoteWeight {
  const { vote } = FAILURE_POLICY[failure.kind];
  if (vote === "none") return "none";
  // A closed route is the route's business; it would stop types that have nothing to do with it.
  if (failure.scope === "route") return "none";
  if (ABOUT_THE_CUSTOMERS_TEXT.includes(failure.code)) return "counts_per_account";
  return vote === "opens_at_once" && failure.scope === "type" ? "opens_at_once" : "counts";
}

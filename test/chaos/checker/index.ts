/**
 * The judge. One function an invariant, each of evidence alone: it knows what the witnesses saw and what lies in Redis, and
 * nothing of what the fleet says about itself. Numbers up to 26 are those of the project's list of invariants.
 */
import type { Evidence } from "../evidence.ts";
import {
  answersAreSetOnce,
  claimsAreFenced,
  duplicatesAreExplained,
  noSpendIsHidden,
  nothingIsRegenerated,
} from "./calls.ts";
import {
  budgetsAreKept,
  creditsAreConserved,
  holdsEndOnce,
  ledgerReplays,
  paidMeansDelivered,
} from "./credits.ts";
import { breakersHold, onlyListedMoves, versionsRise, waitsAreObeyed } from "./flow.ts";
import { withoutForgotten } from "./forgotten.ts";
import { happened, type Happened } from "./happened.ts";
import type { Verdict, Violation } from "./inquiry.ts";
import { memoryIsBounded } from "./memory.ts";
import { recoveries, type Recoveries } from "./recovery.ts";
import {
  acknowledgedIsThere,
  cancelledStops,
  crashLoopsEnd,
  nothingIsOrphaned,
  nothingIsStuck,
  ordersAreAtomic,
} from "./orders.ts";
import { decisionsAreAudited, endingsAreTold, moneyIsSaid, processesLive } from "./people.ts";
import { accountsAreApart, damageIsNoticed, documentsFollowThePlan, secretsAreKept } from "./texts.ts";

export const INVARIANTS = [
  { number: 1, name: "credits are conserved", check: creditsAreConserved },
  { number: 2, name: "the ledger replays to the balance", check: ledgerReplays },
  { number: 3, name: "each hold ends once", check: holdsEndOnce },
  { number: 4, name: "paid means delivered", check: paidMeansDelivered },
  { number: 5, name: "an order is taken as a whole, and once", check: ordersAreAtomic },
  { number: 6, name: "nothing acknowledged is lost", check: acknowledgedIsThere },
  { number: 7, name: "answers are set once", check: answersAreSetOnce },
  { number: 8, name: "no spend is hidden", check: noSpendIsHidden },
  { number: 9, name: "what is paid twice was in flight at a fault", check: duplicatesAreExplained },
  { number: 10, name: "nothing finished is generated again", check: nothingIsRegenerated },
  { number: 11, name: "one claim at a time writes a section", check: claimsAreFenced },
  { number: 12, name: "nothing is stuck", check: nothingIsStuck },
  { number: 13, name: "only listed transitions", check: onlyListedMoves },
  { number: 14, name: "a crash loop ends", check: crashLoopsEnd },
  { number: 15, name: "a broken type stops", check: breakersHold },
  { number: 16, name: "a named wait is obeyed by all", check: waitsAreObeyed },
  { number: 17, name: "cancelled is cancelled", check: cancelledStops },
  { number: 18, name: "budgets are kept", check: budgetsAreKept },
  { number: 19, name: "nothing is orphaned", check: nothingIsOrphaned },
  { number: 20, name: "an altered answer is never served", check: damageIsNoticed },
  { number: 21, name: "accounts are apart", check: accountsAreApart },
  { number: 22, name: "secrets and texts stay where they belong", check: secretsAreKept },
  { number: 23, name: "decisions are audited", check: decisionsAreAudited },
  { number: 24, name: "an upgrade fails nobody", check: versionsRise },
  { number: 25, name: "nothing grows with the work but the books", check: memoryIsBounded },
  { number: 26, name: "the document does not depend on who was first", check: documentsFollowThePlan },
  { number: 27, name: "reason and money in one sentence", check: moneyIsSaid },
  { number: 28, name: "endings are told outside, signed", check: endingsAreTold },
  { number: 29, name: "no process ends by itself", check: processesLive },
] as const satisfies readonly { number: number; name: string; check: (evidence: Evidence) => Verdict }[];

/** The design's ten promises, each by the invariants that would break with it. */
export const PROMISES: readonly { promise: string; by: readonly number[] }[] = [
  { promise: "nothing acknowledged is lost", by: [5, 6] },
  { promise: "what is completed is never paid again", by: [7, 10, 26] },
  { promise: "duplicate paid calls are bounded by what was in flight", by: [9] },
  { promise: "credits are conserved", by: [1, 2, 3, 4] },
  { promise: "nothing is stuck", by: [12, 14, 19] },
  { promise: "a zombie cannot overwrite", by: [7, 11, 13] },
  { promise: "a broken type stops by itself", by: [15] },
  { promise: "every request is on our books", by: [8, 18] },
  { promise: "a tenant sees only its own", by: [21, 22] },
  { promise: "the reason and the money in one sentence", by: [23, 27] },
];

export interface Verdicts extends Happened {
  invariants: ({ number: number; name: string } & Verdict)[];
  recoveries: Recoveries;
}

export function check(evidence: Evidence): Verdicts {
  const remembered = withoutForgotten(evidence);
  return {
    invariants: INVARIANTS.map(({ number, name, check: judge }) => ({
      number,
      name,
      ...judgeSafely(judge, OF_WHAT_WAS_ACKNOWLEDGED.includes(number) ? remembered : evidence),
    })),
    ...happened(evidence),
    recoveries: recoveries(evidence),
  };
}

/** These speak of what was acknowledged, and a failover may forget some of it. */
const OF_WHAT_WAS_ACKNOWLEDGED: readonly number[] = [5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 17, 20, 23, 24, 28];

/** A check that cannot read its evidence has not passed. */
function judgeSafely(judge: (evidence: Evidence) => Verdict, evidence: Evidence): Verdict {
  try {
    return judge(evidence);
  } catch (error) {
    const violation: Violation = {
      of: "the checker",
      what: error instanceof Error ? (error.stack ?? error.message) : String(error),
    };
    return { checked: 0, violations: [violation] };
  }
}

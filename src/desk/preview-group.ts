/** The dry run of a group's decision: each of its cases tried as one would be by itself, and the sums. */
import { isFleetError } from "../domain/fleet-error.ts";
import type { MicroUsd } from "../domain/ids.ts";
import type { PromptChoice, ReviewCase } from "../domain/review.ts";
import type { Counter } from "../producer/submit-report.ts";
import { readGroup } from "../store/case-groups.ts";
import type { GroupAction, OperationOrder } from "../store/operations.ts";
import { casesOf } from "./group-operation.ts";
import { previewAction, sayCredits, type CreditEffect, type Preview } from "./preview.ts";

export interface GroupPreview {
  group: string;
  action: GroupAction;
  /** Open cases that one operation takes, and how many wait for the next one. */
  cases: number;
  beyond: number;
  /** Cases that would be decided and go on, and those that would be refused or fail again at once. */
  eligible: number;
  notEligible: { id: string; because: string }[];
  /** Decided first; the others only once all of these are through. */
  canaries: string[];
  /** Sums over the eligible cases. */
  keptSections: number;
  openSections: number;
  skippedSections: number;
  reusedCalls: number;
  revalidatedCalls: number;
  paidCalls: number;
  /** Of the calls that can be foreseen and were asked before; null where none was. */
  estimateMicros: MicroUsd | null;
  /** Eligible cases with paid calls and no estimate for any. */
  notEstimated: number;
  /** The reports' budgets allow no more than this. */
  atMostMicros: MicroUsd;
  /** What the operation may spend, and whether the estimate stays within it; null where it has no cap. */
  cap: { maxMicros: MicroUsd; fits: boolean } | null;
  credits: CreditEffect;
  creditEffect: string;
}

export type GroupQuestion = Pick<OperationOrder, "group" | "action" | "prompt" | "canary" | "maxMicros">;

/** Each case reads its report's checkpoints; so many at a time keep Redis and this process free for others. */
const AT_ONCE = 16;

export async function previewGroup(desk: Counter, question: GroupQuestion): Promise<GroupPreview> {
  const { group, action, prompt, canary, maxMicros } = question;
  const cases = await casesOf(desk, group);
  const open = (await readGroup(desk.store, group))?.open ?? cases.length;
  const possible: { id: string; preview: Preview }[] = [];
  const notEligible: GroupPreview["notEligible"] = [];
  const decided: string[] = [];
  for (let start = 0; start < cases.length; start += AT_ONCE) {
    const some = cases.slice(start, start + AT_ONCE);
    const tried = await Promise.all(some.map((found) => tryOne(desk, found, action, prompt)));
    for (const [index, { id }] of some.entries()) {
      const outcome = tried[index];
      if (outcome === undefined) continue;
      if ("refused" in outcome) notEligible.push({ id, because: outcome.refused });
      else if (outcome.possible) possible.push({ id, preview: outcome });
      else notEligible.push({ id, because: outcome.because });
      // A resume is not refused because it would fail again; as a canary it spares the others.
      if (!("refused" in outcome) && (outcome.possible || action === "resume")) decided.push(id);
    }
  }

  const sum = (of: (preview: Preview) => number) =>
    possible.reduce((total, { preview }) => total + of(preview), 0);
  const estimated = possible.filter(({ preview }) => preview.estimateMicros !== null);
  const estimateMicros =
    estimated.length === 0 && possible.length > 0 ? null : sum((one) => one.estimateMicros ?? 0);
  const credits: CreditEffect = {
    held: sum((one) => one.credits.held),
    charged: sum((one) => one.credits.charged),
    returned: sum((one) => one.credits.returned),
  };
  return {
    group,
    action,
    cases: cases.length,
    beyond: Math.max(0, open - cases.length),
    eligible: possible.length,
    notEligible,
    canaries: decided.slice(0, canary),
    keptSections: sum((one) => one.keptSections.length),
    openSections: sum((one) => one.openSections.length),
    skippedSections: sum((one) => one.skippedSections.length),
    reusedCalls: sum((one) => one.reusedCalls.length),
    revalidatedCalls: sum((one) => one.revalidatedCalls.length),
    paidCalls: sum((one) => one.paidCalls.length),
    estimateMicros,
    notEstimated: possible.length - estimated.length,
    atMostMicros: sum((one) => one.atMostMicros),
    cap: maxMicros === null ? null : { maxMicros, fits: (estimateMicros ?? 0) <= maxMicros },
    credits,
    creditEffect: sayCredits(action, credits),
  };
}

async function tryOne(
  desk: Counter,
  found: ReviewCase,
  action: GroupAction,
  prompt: PromptChoice,
): Promise<Preview | { refused: string }> {
  try {
    return await previewAction(desk, found, action, prompt);
  } catch (error) {
    // As the operation does: a refusal is an answer, lost infrastructure is none.
    if (!isFleetError(error) || error.code === "redis_unreachable") throw error;
    return { refused: error.message };
  }
}

/**
 * What each thing a person may do about a case would cost, all at once: the very dry runs of the command line and the
 * API, so that whoever looks at a case sees the prices before choosing.
 */
import { setTimeout as pause } from "node:timers/promises";
import { isFleetError } from "../domain/fleet-error.ts";
import { DEFAULT_PROMPT, type Action, type PromptChoice, type ReviewCase } from "../domain/review.ts";
import type { Counter } from "../producer/submit-report.ts";
import { previewAction, type Preview } from "./preview.ts";

export type Price =
  | { priced: "yes"; preview: Preview }
  /** It would be refused. */
  | { priced: "refused"; because: string }
  /** It depends on what a person is still going to write. */
  | { priced: "later" }
  /** The type's own code did not come to an end in time. */
  | { priced: "slow" };

export interface Choice {
  action: Action;
  /** Of a resume. */
  prompt: PromptChoice | null;
  price: Price;
}

/** Nobody waits longer for the page than this; a single dry run may take as long as a worker would. */
const LONGEST_MS = 1_500;

export async function priceActions(
  desk: Counter,
  found: ReviewCase,
  actions: readonly Action[],
): Promise<Choice[]> {
  const tooLong = pause(LONGEST_MS, { priced: "slow" } as const, { ref: false });
  const choices = await Promise.all(
    actions.flatMap(choicesOf).map(async (choice): Promise<Choice> => {
      const price = await Promise.race([priceOf(desk, found, choice), tooLong]);
      return { ...choice, price };
    }),
  );
  const offered = asksTheSame(choices) ? choices.filter(({ prompt }) => prompt !== "stored") : choices;
  // What would be refused is told last: it is there to say why.
  return [...offered.filter((one) => !isRefused(one)), ...offered.filter(isRefused)];
}

export function isRefused({ price }: Choice): boolean {
  return price.priced === "refused" || (price.priced === "yes" && !price.preview.possible);
}

function choicesOf(action: Action): Pick<Choice, "action" | "prompt">[] {
  if (action !== "resume") return [{ action, prompt: null }];
  return [
    { action, prompt: "current" },
    { action, prompt: "stored" },
  ];
}

/** Today's prompt is the stored one word for word, or neither may be asked: there is nothing to choose between. */
function asksTheSame(choices: readonly Choice[]): boolean {
  const [current, stored] = (["current", "stored"] as const).map((wanted) => {
    const price = choices.find(({ prompt }) => prompt === wanted)?.price;
    if (price?.priced === "refused") return price.because;
    return price?.priced === "yes" ? price.preview.paidCalls.map(({ call }) => call).join() : null;
  });
  return current !== null && current === stored;
}

export async function priceOf(
  desk: Counter,
  found: ReviewCase,
  { action, prompt }: Pick<Choice, "action" | "prompt">,
): Promise<Price> {
  if (action === "accept_edited" || action === "correct_source") return { priced: "later" };
  try {
    return { priced: "yes", preview: await previewAction(desk, found, action, prompt ?? DEFAULT_PROMPT) };
  } catch (error) {
    if (!isFleetError(error) || error.code === "redis_unreachable") throw error;
    return { priced: "refused", because: error.message };
  }
}

/** What a part of a report costs, by its type's own rule or by its share of the work. */
import { weightedShare } from "../domain/credits.ts";
import { FleetError } from "../domain/fleet-error.ts";
import type { PricedSection, ReportType } from "./define-report.ts";

/** `price` is what was held when the report was ordered; the type may have changed its price since. */
export function partialCredits(
  type: Pick<ReportType, "type" | "partialPrice">,
  price: number,
  delivered: readonly PricedSection[],
  all: readonly PricedSection[],
): number {
  if (type.partialPrice === undefined) return weightedShare(price, delivered, all);
  const credits = type.partialPrice(delivered.map(priced), all.map(priced));
  if (Number.isInteger(credits) && credits >= 0 && credits <= price) return credits;
  throw new FleetError(
    "invalid_type",
    `The partialPrice of "${type.type}" answered ${String(credits)} for ${delivered.length} of ${all.length} sections; it must be a whole number from 0 to ${price}.`,
  );
}

function priced({ key, title, weight }: PricedSection): PricedSection {
  return { key, title, weight };
}

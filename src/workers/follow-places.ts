/** Rings reports that wait for one of their account's running places, as many as there are free, oldest first. */
import type { ReportId } from "../domain/ids.ts";
import { countPlaces, listCapped, listCappedAccounts } from "../store/places.ts";
import type { Rung } from "./follow-breakers.ts";
import type { Workshop } from "./session.ts";

/** Where the limit was lifted, so that a long line does not start with a storm. */
const RUNG_AT_ONCE = 50;

export async function followPlaces(
  { store, accountLimits }: Workshop,
  ring: (report: ReportId) => Promise<Rung>,
): Promise<void> {
  const { maxRunning } = accountLimits;
  for (const account of await listCappedAccounts(store)) {
    const { running } = await countPlaces(store, account);
    const free = Math.min(maxRunning === null ? RUNG_AT_ONCE : maxRunning - running, RUNG_AT_ONCE);
    if (free <= 0) continue;
    // Each leaves the line by taking its place; one that is rung twice takes one place.
    for (const report of await listCapped(store, account, free)) await ring(report);
  }
}

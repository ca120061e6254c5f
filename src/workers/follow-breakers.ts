/**
 * What follows from the breakers, caught up with on every sweep: the store has decided long before.
 *
 * - canaries that have ended give their place back, delivered ones close the breaker;
 * - the reports of a closed breaker are rung, those that wait longest first and a few at a time, so that a repaired type
 *   does not start with a storm; of a half-open one, as many as there are places for canaries;
 * - Bull Board shows a stopped type as a paused queue (docs/adr/0006-the-queue-shows-the-breaker.md).
 *
 * A report leaves the waiting set with the start of its round, in that script, and not when it is rung: its parent job may
 * have found the type stopped again before we could take it out, and then nobody would ring it any more. Until its round
 * starts it is rung once a sweep at most, and not while its parent job lives.
 */
import type { Breaker } from "../domain/breaker.ts";
import type { ReportId } from "../domain/ids.ts";
import { dropPostponed, settleProbe } from "../store/breakers.ts";
import { listBreakers, listPostponed, readBreaker } from "../store/read-breakers.ts";
import type { Workshop } from "./session.ts";

/** `live`: its parent job is still there and finds out by itself. */
export type Rung = "rung" | "live" | "over";

const RUNG_AT_ONCE = 20;
/** Those whose parent job still runs stay where they are, so more are looked at than are rung. */
const LOOKED_AT = 200;

export async function followBreakers(
  workshop: Workshop,
  ring: (report: ReportId) => Promise<Rung>,
): Promise<void> {
  const { store, queues } = workshop;
  for (const type of await listBreakers(store)) {
    const before = await readBreaker(store, type);
    if (before.breaker.state === "half_open")
      for (const { report } of before.breaker.probes) await settleProbe(store, type, report);
    const { breaker, settings, waiting } =
      before.breaker.state === "half_open" ? await readBreaker(store, type) : before;
    await queues.showStopped(type, breaker.state === "open");
    if (waiting > 0) await ringWaiting(workshop, type, placesFor(breaker, settings.probes), ring);
  }
}

function placesFor(breaker: Breaker, probes: number): number {
  switch (breaker.state) {
    case "open":
      return 0;
    case "half_open":
      return Math.max(0, probes - breaker.delivered - breaker.probes.length);
    case "closed":
      return RUNG_AT_ONCE;
  }
}

async function ringWaiting(
  { store }: Workshop,
  type: string,
  places: number,
  ring: (report: ReportId) => Promise<Rung>,
): Promise<void> {
  if (places === 0) return;
  let rung = 0;
  for (const report of await listPostponed(store, type, LOOKED_AT)) {
    const outcome = await ring(report);
    if (outcome === "over") await dropPostponed(store, type, report);
    if (outcome === "rung") rung += 1;
    if (rung >= places) return;
  }
}

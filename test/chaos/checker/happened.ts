/** What a run was there for, and how much of it happened: a run in which a fault never hit proves nothing about it. */
import type { Evidence, ReportEvidence } from "../evidence.ts";
import { FAULTS } from "../faults/index.ts";
import { paidTwice } from "./calls.ts";

export interface Happened {
  /** Faults of the plan that never hit. */
  missed: string[];
  /** What did not happen, so that the run shows less than it claims; empty for a run that counts. */
  vacuous: string[];
  /** Faults that hit, by id. */
  hits: Record<string, number>;
  counts: Record<string, number>;
}

export function happened(evidence: Evidence): Happened {
  const { faults, plan, breakers, reports, provider, client } = evidence;
  const wanted = new Set(plan.lanes.flat().map((id) => id.split(":")[0] ?? ""));
  const hits = Object.fromEntries(
    FAULTS.filter(({ id }) => wanted.has(id)).map(({ id }) => [
      id,
      faults.filter(({ fault, hit }) => fault === id && hit).length,
    ]),
  );
  const sum = (fact: string) => faults.reduce((total, { facts }) => total + Number(facts[fact] ?? 0), 0);
  const all = [...reports.values()];
  const turns = Object.values(breakers).flat();
  const acknowledged = client.flatMap((row) => (row.what === "ordered" ? [row.report] : []));
  const counts = {
    "orders acknowledged": new Set(acknowledged).size,
    "reports delivered": all.filter(({ stored }) => stored.report.status === "completed").length,
    "requests the provider saw": provider.length,
    "answers paid for again": paidTwice(evidence),
    "requests in flight at a fault": faults.reduce((total, { inFlight }) => total + inFlight, 0),
    "decisions of people": client.filter(({ what }) => what === "decided").length,
    "writes of zombies refused": sum("refused"),
    "scripts sent again": sum("resent"),
    "times a breaker opened": turns.filter(({ to }) => to === "open").length,
    "reports stopped at their budget": all.filter(stoppedAtBudget).length,
    "times the fleet was told to wait": provider.filter(
      ({ outcome, marker }) => outcome === "rate_limit" && (marker ?? "") in plan.told,
    ).length,
    "sections resumed from a checkpoint": all.reduce((total, one) => total + resumed(one), 0),
  };
  const must: Readonly<Record<string, keyof typeof counts>> = {
    F2: "writes of zombies refused",
    F6: "scripts sent again",
    F1: "sections resumed from a checkpoint",
  };
  const ordered = (name: string) => plan.orders.some(({ type }) => type === name);
  const missed = Object.entries(hits).flatMap(([id, count]) => (count === 0 ? [`${id} never hit`] : []));
  const vacuous = [
    ...missed,
    ...Object.entries(must).flatMap(([id, count]) =>
      wanted.has(id) && counts[count] === 0 ? [`${count}: 0`] : [],
    ),
    ...(ordered("brittle") && counts["times a breaker opened"] === 0 ? ["no breaker opened"] : []),
    ...(ordered("glutton") && counts["reports stopped at their budget"] === 0
      ? ["no budget was reached"]
      : []),
    ...(Object.keys(plan.told).length > 0 && counts["times the fleet was told to wait"] === 0
      ? ["no wait was named"]
      : []),
    ...(counts["reports delivered"] === 0 ? ["nothing was delivered"] : []),
    ...(evidence.samples.length === 0 || evidence.memory.length === 0 ? ["nobody looked"] : []),
  ];
  return { missed, vacuous, hits, counts };
}

function stoppedAtBudget({ events }: ReportEvidence): boolean {
  return events.some(({ event }) => event.event === "section.status" && event.failure?.kind === "cost");
}

/** Sections whose claim passed to another one after a first answer was there, and that were written in the end. */
function resumed({ sections, events }: ReportEvidence): number {
  return sections.filter(({ key, status }) => {
    if (status !== "completed") return false;
    const first = events.findIndex(({ event }) => event.event === "call.answered" && event.section === key);
    return (
      first >= 0 &&
      events
        .slice(first)
        .some(
          ({ event }) =>
            event.event === "section.status" && event.section === key && event.status === "running",
        )
    );
  }).length;
}

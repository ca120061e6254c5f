/**
 * One decision for a whole group of cases.
 *
 *     canaries first ─▶ all of them got through ─▶ the rest, a few per sweep ─▶ done
 *                  └──▶ one is parked again ────▶ stopped       (so does its spend cap, and so does a person)
 *
 * Each case is decided by the same functions a person uses for one, under an operation id of its own, so a sweeper that
 * dies in the middle is simply repeated. What was decided stays decided when the operation stops.
 */
import { isFleetError, FleetError } from "../domain/fleet-error.ts";
import { totalSpend } from "../domain/failure.ts";
import { formatUsd, type MicroUsd } from "../domain/ids.ts";
import type { Decision, ReviewCase } from "../domain/review.ts";
import type { Counter } from "../producer/submit-report.ts";
import { listCases, readCase } from "../store/cases.ts";
import {
  endOperation,
  listRunningOperations,
  noteOperationCase,
  noteProgress,
  readOperation,
  startOperation,
  type Operation,
  type OperationCase,
  type OperationOrder,
} from "../store/operations.ts";
import { readReport, readSections } from "../store/reports.ts";
import { resumeCase, revalidateCase, skipSection } from "./decide-case.ts";
import { deliverPartial } from "./deliver-partial.ts";
import { rejectReport } from "./end-by-person.ts";

/** One script takes them all; a larger group is decided in several operations. */
const MOST_CASES = 2_000;

/** The same id twice is one operation, also once its cases are all decided and the group has none left. */
export async function decideGroup(desk: Counter, order: OperationOrder): Promise<Operation> {
  const { id, group, action } = order;
  const begun = await readOperation(desk.store, id);
  if (begun !== null && begun.group === group && begun.action === action) return begun;
  if (begun !== null)
    throw new FleetError(
      "idempotency_conflict",
      `Operation ${id} is another decision: ${begun.action} for group ${begun.group}. Use a new id for a new decision.`,
    );
  const cases = await casesOf(desk, group);
  await startOperation(
    desk.store,
    order,
    cases.map((found) => found.id),
  );
  return requireOperation(desk, id);
}

/** What one operation takes of a group, the oldest first. */
export async function casesOf(desk: Pick<Counter, "store">, group: string): Promise<ReviewCase[]> {
  const cases = await listCases(desk.store, { group, limit: MOST_CASES });
  if (cases.length > 0) return cases;
  throw new FleetError(
    "not_found",
    `Group ${group} has no open case. \`report-fleet review groups\` lists those that have.`,
  );
}

export async function requireOperation(desk: Pick<Counter, "store">, id: string): Promise<Operation> {
  const operation = await readOperation(desk.store, id);
  if (operation === null) throw new FleetError("not_found", `There is no operation ${id}.`);
  return operation;
}

export async function stopOperation(
  desk: Pick<Counter, "store">,
  id: string,
  decision: Decision,
): Promise<Operation> {
  const { by, why } = decision;
  const operation = await requireOperation(desk, id);
  await endOperation(
    desk.store,
    operation,
    "stopped",
    `${by} stopped it${why === "" ? "" : `: ${why}`}`,
    decision,
  );
  return requireOperation(desk, id);
}

/** A chore of the orchestrator's sweeper: takes every running operation one step further. */
export async function carryOnOperations(desk: Counter): Promise<void> {
  for (const id of await listRunningOperations(desk.store)) {
    const operation = await readOperation(desk.store, id);
    if (operation !== null) await carryOn(desk, operation);
  }
}

async function carryOn(desk: Counter, operation: Operation): Promise<void> {
  const stop = (because: string) => endOperation(desk.store, operation, "stopped", because);
  const standing = await Promise.all(
    operation.cases.map(async (one) => ({ one, ...(await standingOf(desk, operation, one)) })),
  );
  const spent = standing.reduce((sum, { spentMicros }) => sum + spentMicros, 0);
  const many = (wanted: Standing["state"]) => standing.filter(({ state }) => state === wanted).length;
  await noteProgress(desk.store, operation, {
    waiting: many("waiting"),
    underWay: many("under_way"),
    through: many("through"),
    parkedAgain: many("parked_again"),
    refused: many("refused"),
    spentMicros: spent,
  });
  if (operation.maxMicros !== null && spent > operation.maxMicros)
    return stop(`${formatUsd(spent)} is spent, more than its cap of ${formatUsd(operation.maxMicros)}`);

  // One that was refused has shown nothing; the next one is the canary in its place.
  const canaries = standing.filter(({ state }) => state !== "refused").slice(0, operation.canary);
  const failed = canaries.find(({ state }) => state === "parked_again");
  if (failed !== undefined) return stop(`its canary ${failed.one.id} was parked again`);
  const waiting = (some: typeof standing) => some.filter(({ one }) => one.state === "waiting");
  const pendingCanaries = canaries.some(({ state }) => state === "waiting" || state === "under_way");
  if (pendingCanaries) {
    for (const { one } of waiting(canaries)) await decideOne(desk, operation, one);
    return undefined;
  }

  // What a case has cost at most so far is what the next one may cost.
  const dearest = Math.max(0, ...standing.map(({ spentMicros }) => spentMicros));
  let planned = spent;
  for (const { one } of waiting(standing).slice(0, operation.perSweep)) {
    planned += dearest;
    if (operation.maxMicros !== null && planned > operation.maxMicros)
      return stop(`the next case might exceed its cap of ${formatUsd(operation.maxMicros)}`);
    await decideOne(desk, operation, one);
  }
  const open = standing.some(({ state }) => state === "waiting" || state === "under_way");
  return open ? undefined : endOperation(desk.store, operation, "done", "");
}

interface Standing {
  state: "waiting" | "under_way" | "through" | "parked_again" | "refused";
  /** Since the decision, by the whole report. */
  spentMicros: MicroUsd;
}

async function standingOf(desk: Counter, operation: Operation, one: OperationCase): Promise<Standing> {
  if (one.state !== "applied") return { state: one.state, spentMicros: 0 };
  const found = await readCase(desk.store, one.id);
  const stored = found === null ? null : await readReport(desk.store, found.report);
  if (found === null || stored === null) return { state: "through", spentMicros: 0 };
  const spentMicros = Math.max(0, totalSpend(stored.report.spend) + stored.inFlightMicros - one.spentBefore);
  const { status } = stored.report;
  if (status === "completed" || status === "failed" || status === "cancelled")
    return { state: "through", spentMicros };
  if (found.section === null)
    return { state: status === "needs_review" ? "parked_again" : "under_way", spentMicros };
  const sections = await readSections(desk.store, found.report, stored.plan ?? []);
  const section = sections.find(({ key }) => key === found.section);
  if (section?.status === "needs_review" || section?.status === "failed")
    return { state: "parked_again", spentMicros };
  const settled = section?.status === "completed" || section?.status === "skipped";
  return { state: settled ? "through" : "under_way", spentMicros };
}

async function decideOne(desk: Counter, operation: Operation, one: OperationCase): Promise<void> {
  const found = await readCase(desk.store, one.id);
  const stored = found === null ? null : await readReport(desk.store, found.report);
  const refused = (because: string) =>
    noteOperationCase(desk.store, operation.id, { id: one.id, state: "refused", because });
  if (found === null || stored === null) return refused("It is not in the store any more.");
  const spentBefore = totalSpend(stored.report.spend) + stored.inFlightMicros;
  try {
    await apply(desk, operation, found);
    await noteOperationCase(desk.store, operation.id, { id: one.id, state: "applied", spentBefore });
  } catch (error) {
    // Lost infrastructure is nobody's decision: the next sweep tries again.
    if (!isFleetError(error) || error.code === "redis_unreachable") throw error;
    await refused(error.message);
  }
}

async function apply(desk: Counter, operation: Operation, found: ReviewCase): Promise<void> {
  const { by, why } = operation;
  const ruling = { by, why, operation: `${operation.id}/${found.id}` };
  switch (operation.action) {
    case "resume":
      await resumeCase(desk, found.id, ruling, operation.prompt);
      return;
    case "revalidate":
      await revalidateCase(desk, found.id, ruling);
      return;
    case "skip_section":
      await skipSection(desk, found.id, ruling);
      return;
    case "deliver_partial":
      await deliverPartial(desk, found.report, ruling);
      return;
    case "reject":
      await rejectReport(desk, found.report, ruling);
  }
}

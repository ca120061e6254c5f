/** Orders: that what was acknowledged is there, once, and moves on: invariants 5, 6, 12, 14, 17 and 19. */
import { isFinished } from "../../../src/domain/report.ts";
import type { Evidence } from "../evidence.ts";
import { begunAt } from "./calls.ts";
import { groupBy, Inquiry, type Verdict } from "./inquiry.ts";

/** 5. An order is there as a whole or not at all, and once, however often it was sent. */
export function ordersAreAtomic({ client, reports, accounts }: Evidence): Verdict {
  const inquiry = new Inquiry();
  const made = groupBy(reports, ([, { order }]) => order);
  const rows = groupBy(
    [...accounts.values()].flatMap((one) => one.rows),
    ({ report }) => report,
  );
  for (const row of client) {
    if (row.what === "ordered") {
      const found = made.get(row.order) ?? [];
      inquiry.must(
        found.every(([id]) => id === row.report),
        `order ${row.order}`,
        `acknowledged as ${row.report}, and made as ${found.map(([id]) => id).join(", ")}`,
      );
    }
    if (row.what === "refused")
      inquiry.must(
        !made.has(row.order),
        `order ${row.order}`,
        `refused (${row.code}), and there is a report of it`,
      );
    if (row.what === "reused_key")
      inquiry.must(
        row.status === 409 || row.status === 422,
        `order ${row.order}`,
        `its key with another body was answered ${row.status}`,
      );
  }
  for (const [order, found] of made)
    inquiry.must(found.length === 1, `order ${String(order)}`, `${found.length} reports were made of it`);
  for (const [id, { stored, holds }] of reports) {
    const reserved = (rows.get(stored.report.id) ?? []).filter(({ verb }) => verb === "reserve");
    inquiry.must(
      holds.length > 0 && reserved.length === holds.length,
      id,
      `${holds.length} holds, and ${reserved.length} were reserved`,
    );
  }
  return inquiry.verdict();
}

/** 6. Every order that was acknowledged is found. */
export function acknowledgedIsThere({ client, reports }: Evidence): Verdict {
  const inquiry = new Inquiry();
  for (const row of client)
    if (row.what === "ordered")
      inquiry.must(reports.has(row.report), row.report, `order ${row.order} was acknowledged and is gone`);
  return inquiry.verdict();
}

/** 12. Every report has ended or waits for a person, and until then there always was something that would wake it. */
export function nothingIsStuck({ reports, samples }: Evidence): Verdict {
  const inquiry = new Inquiry();
  for (const [id, { stored }] of reports) {
    const { status } = stored.report;
    inquiry.must(isFinished(status) || status === "needs_review", id, `still ${status}`);
  }
  for (const { at, report, status, wakers } of samples)
    inquiry.must(wakers.length > 0, report, `${status} at ${at}, and nothing would have woken it`);
  return inquiry.verdict();
}

/** 14. An input that kills its worker is given to a person, and takes no more workers than its budget. */
export function crashLoopsEnd({ faults, reports }: Evidence): Verdict {
  const inquiry = new Inquiry();
  for (const { facts } of faults.filter((one) => one.fault === "F16" && one.hit)) {
    const [id, found] = [...reports].find(([, { order }]) => order === facts["order"]) ?? [];
    const parked = found?.events.some(
      ({ event }) =>
        event.event === "section.status" &&
        event.status === "needs_review" &&
        event.because === "its worker died",
    );
    inquiry.must(
      parked === true,
      id ?? `order ${facts["order"]}`,
      "it kills its workers and was not given to a person",
    );
    inquiry.must(
      Number(facts["crashes"]) <= CRASH_BUDGET + 1,
      id ?? "",
      `it killed ${facts["crashes"]} workers`,
    );
  }
  return inquiry.verdict();
}

const CRASH_BUDGET = 3;

/** 17. Once a cancellation is answered, nothing new is asked for that report, and it stays cancelled. */
export function cancelledStops({ client, provider, reports }: Evidence): Verdict {
  const inquiry = new Inquiry();
  const asked = groupBy(provider, ({ marker }) => Number(marker?.split("/")[3]));
  for (const row of client) {
    if (row.what !== "cancelled" || row.status !== "cancelled") continue;
    const found = reports.get(row.report);
    const late = (asked.get(row.order) ?? []).filter((request) => begunAt(found, request) > row.at);
    inquiry.must(
      late.length === 0,
      row.report,
      `${late.length} requests after it was cancelled: ${late.map(({ marker }) => marker).join(", ")}`,
    );
    inquiry.must(
      found?.stored.report.status === "cancelled",
      row.report,
      `it is ${found?.stored.report.status ?? "gone"}`,
    );
  }
  return inquiry.verdict();
}

/** 19. Nothing is left that belongs to nobody. */
export function nothingIsOrphaned({ reports, sets, activeJobs }: Evidence): Verdict {
  const inquiry = new Inquiry();
  inquiry.must(sets.outbox.length === 0, "outbox", `${sets.outbox.join(", ")} were never rung`);
  inquiry.must(
    sets.processes.length === 0,
    "processes",
    `${sets.processes.join(", ")} have ended and are still registered`,
  );
  inquiry.must(activeJobs.length === 0, "jobs", `nobody works on ${activeJobs.join(", ")}`);
  const wakeups = new Set(sets.wakeups);
  const deadlines = new Set(sets.reviewDeadlines);
  const openHolds = new Set(sets.openHolds);
  for (const [id, { stored, holds }] of reports) {
    const { status } = stored.report;
    inquiry.must(
      !isFinished(status) || (!wakeups.has(id) && !deadlines.has(id)),
      id,
      `${status}, and something will wake it`,
    );
    inquiry.must(
      status !== "needs_review" || deadlines.has(id),
      id,
      "it waits for a person without a deadline",
    );
    for (const hold of holds)
      inquiry.must(
        (hold.status === "reserved") === openHolds.has(hold.id),
        hold.id,
        `${hold.status}, and the sweeper thinks otherwise`,
      );
  }
  for (const id of wakeups) inquiry.must(reports.has(id), id, "it is to be woken and is no report");
  return inquiry.verdict();
}

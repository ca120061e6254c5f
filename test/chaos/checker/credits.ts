/** Money: invariants 1 to 4, and 18. */
import type { LedgerEntry } from "../../../src/domain/credits.ts";
import { isFinished } from "../../../src/domain/report.ts";
import type { Evidence } from "../evidence.ts";
import { CREDITS } from "../plan.ts";
import type { ProviderRow } from "../witnesses.ts";
import { fellInto, lossSpans, withoutForgotten } from "./forgotten.ts";
import { groupBy, Inquiry, type Verdict } from "./inquiry.ts";

const PARTS = ["available", "held", "committed", "deposits"] as const;

/** 1. available + held + committed = deposits, all whole and none below zero; deposits are what was really deposited. */
export function creditsAreConserved({ accounts, reports }: Evidence): Verdict {
  const inquiry = new Inquiry();
  for (const [account, deposited] of Object.entries(CREDITS))
    inquiry.must(
      accounts.get(account)?.balance.deposits === deposited,
      account,
      `deposits are not the ${deposited} that were granted`,
    );
  for (const [account, { balance, rows }] of accounts) {
    const { available, held, committed, deposits } = balance;
    const shown = PARTS.map((part) => `${part} ${balance[part]}`).join(", ");
    inquiry.must(
      PARTS.every((part) => Number.isInteger(balance[part]) && balance[part] >= 0),
      account,
      `not whole or below zero: ${shown}`,
    );
    inquiry.must(available + held + committed === deposits, account, `does not add up: ${shown}`);
    const reserved = [...reports.values()]
      .filter(({ stored }) => stored.report.account === account)
      .flatMap(({ holds }) => holds.filter(({ status }) => status === "reserved"))
      .reduce((sum, { credits }) => sum + credits, 0);
    inquiry.must(held === reserved, account, `${held} held, and its open holds are worth ${reserved}`);
    const charged = rows.reduce(
      (sum, row) => sum + (row.verb === "commit" ? row.credits : row.verb === "refund" ? -row.credits : 0),
      0,
    );
    inquiry.must(committed === charged, account, `${committed} committed, and its rows charge ${charged}`);
  }
  return inquiry.verdict();
}

/** 2. The rows count up without a gap, and folding them gives the balance. */
export function ledgerReplays({ accounts }: Evidence): Verdict {
  const inquiry = new Inquiry();
  for (const [account, { balance, rows }] of accounts) {
    const sums = { available: 0, held: 0, committed: 0, deposits: 0 };
    for (const [index, row] of rows.entries()) {
      inquiry.must(row.id === index + 1, account, `row ${index + 1} is ${row.id}`);
      const { from, to } = MOVES[row.verb];
      if (from !== null) sums[from] -= row.credits;
      else sums.deposits += row.credits;
      sums[to] += row.credits;
      inquiry.must(Math.min(...Object.values(sums)) >= 0, account, `row ${row.id} takes more than was there`);
    }
    for (const part of PARTS)
      inquiry.must(
        sums[part] === balance[part],
        account,
        `its rows add up to ${sums[part]} ${part}, its balance says ${balance[part]}`,
      );
  }
  return inquiry.verdict();
}

const MOVES = {
  grant: { from: null, to: "available" },
  reserve: { from: "available", to: "held" },
  commit: { from: "held", to: "committed" },
  reverse: { from: "held", to: "available" },
  refund: { from: "committed", to: "available" },
} as const satisfies Record<LedgerEntry["verb"], { from: string | null; to: string }>;

/** 3. Each hold is reserved once and ends once: what is committed and reversed of it is what was reserved. */
export function holdsEndOnce({ accounts, reports }: Evidence): Verdict {
  const inquiry = new Inquiry();
  const holds = new Map(
    [...reports.values()].flatMap((one) => one.holds.map((hold) => [hold.id, hold] as const)),
  );
  for (const { rows } of accounts.values()) {
    const moved = rows.filter(({ verb }) => verb === "reserve" || verb === "commit" || verb === "reverse");
    for (const [id, entries] of groupBy(moved, ({ reference }) => reference)) {
      const of = (verb: string) => entries.filter((row) => row.verb === verb);
      inquiry.must(of("reserve").length === 1, id, `reserved ${of("reserve").length} times`);
      inquiry.must(
        of("commit").length <= 1 && of("reverse").length <= 1,
        id,
        `ended ${entries.length - 1} times`,
      );
      const ended = [...of("commit"), ...of("reverse")].reduce((sum, { credits }) => sum + credits, 0);
      const reserved = of("reserve")[0]?.credits ?? 0;
      inquiry.must(
        entries.length === of("reserve").length || ended === reserved,
        id,
        `${ended} of ${reserved} credits ended`,
      );
      const status =
        of("commit").length > 0 ? "committed" : of("reverse").length > 0 ? "reversed" : "reserved";
      inquiry.must(
        holds.get(id)?.status === status,
        id,
        `its rows say ${status}, it says ${holds.get(id)?.status ?? "nothing"}`,
      );
    }
  }
  return inquiry.verdict();
}

/** 4. Committed if and only if delivered, in the same moment; returned where it ended otherwise; held while a person decides. */
export function paidMeansDelivered(evidence: Evidence): Verdict {
  const { accounts, reports } = evidence;
  const inquiry = new Inquiry();
  // Whoever was told of a delivery that a failover forgot finds none for a moment.
  const { client } = withoutForgotten(evidence);
  const rows = groupBy(
    [...accounts.values()].flatMap((one) => one.rows),
    ({ report }) => report,
  );
  const unreadable = new Set(client.flatMap((row) => (row.what === "unreadable" ? [row.report] : [])));
  for (const [id, { stored, artefact }] of reports) {
    const { report } = stored;
    const commits = (rows.get(report.id) ?? []).filter(({ verb }) => verb === "commit");
    const hold = (rows.get(report.id) ?? [])
      .filter(({ reference }) => reference === report.holdId)
      .map(({ verb }) => verb);
    if (report.status === "completed") {
      inquiry.must(commits.length > 0, id, "delivered and not charged");
      inquiry.must(
        artefact.ok && artefact.hash === report.artefactHash,
        id,
        "charged, and its document is not the one on record",
      );
      inquiry.must(!unreadable.has(id), id, "its buyer could not read it");
      inquiry.must(
        commits.at(-1)?.at === report.deliveredAt,
        id,
        "charged and delivered at different moments",
      );
      continue;
    }
    inquiry.must(commits.length === 0, id, `${report.status} and charged`);
    const ended = hold.includes("reverse") || hold.includes("commit");
    inquiry.must(
      ended === isFinished(report.status),
      id,
      `${report.status}, and its hold ${ended ? "has ended" : "is still open"}`,
    );
  }
  return inquiry.verdict();
}

/**
 * 18. No report costs more than its budget, by the provider's own account; but for what a failover forgot, which nobody
 * could count any more.
 */
export function budgetsAreKept(evidence: Evidence): Verdict {
  const { reports, provider } = evidence;
  const inquiry = new Inquiry();
  const losses = lossSpans(evidence);
  const billed = groupBy(
    provider.filter((row) => row.billed),
    ({ marker }) => Number(marker?.split("/")[3]),
  );
  for (const [id, { stored, order }] of reports) {
    const rows = billed.get(order ?? -1) ?? [];
    const micros = sumOf(rows);
    const forgotten = sumOf(rows.filter((row) => fellInto(row, losses)));
    inquiry.must(
      micros - forgotten <= stored.report.budgetMicros,
      id,
      `billed ${micros} micro-USD of ${stored.report.budgetMicros}, and a failover forgot ${forgotten}`,
    );
  }
  return inquiry.verdict();
}

function sumOf(rows: readonly ProviderRow[]): number {
  return rows.reduce((sum, { micros }) => sum + micros, 0);
}

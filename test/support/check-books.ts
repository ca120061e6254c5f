/**
 * Whether credits and spend balance, read from Redis and from the provider's own ledger after the fact: promises 4 and 8
 * of the design as one function. It knows nothing of what a test did, so any test may end with it.
 */
import type { LedgerRow } from "../../src/llm/simulated/ledger.ts";
import { SPEND_OUTCOMES, type Spend } from "../../src/domain/failure.ts";
import { isFinished, REPORT_STATUSES } from "../../src/domain/report.ts";
import { dayName, readSpendOfDay, readSpendSums } from "../../src/store/books.ts";
import { readCounts } from "../../src/store/counts.ts";
import {
  listAccounts,
  readBalance,
  readCreditTotals,
  readHold,
  readLedger,
} from "../../src/store/credits.ts";
import { readReceipt } from "../../src/store/receipt.ts";
import { reconcile } from "../../src/store/reconcile.ts";
import type { Store } from "../../src/store/redis.ts";
import { listReports, type StoredReport } from "../../src/store/reports.ts";
import { billedMicros } from "./ledger.ts";

/** One sentence for each thing that is wrong. Without the provider's ledger, its half is left out. */
export async function checkBooks(store: Store, provider?: readonly LedgerRow[]): Promise<string[]> {
  const problems = [...(await reconcile(store)).problems];
  const reports = await listReports(store, { limit: 100_000 });
  const sums: Record<string, number> = {};
  let exactMicros = 0;
  let unsureMicros = 0;

  for (const stored of reports) {
    problems.push(...(await holdAndReport(store, stored)));
    const { report, inFlightMicros } = stored;
    const receipt = await readReceipt(store, report.id);
    for (const outcome of SPEND_OUTCOMES) {
      if (receipt.spend[outcome] !== report.spend[outcome])
        problems.push(
          `${report.id}: its calls add up to ${receipt.spend[outcome]} ${outcome}, the report says ${report.spend[outcome]}.`,
        );
      sums[outcome] = (sums[outcome] ?? 0) + report.spend[outcome];
      if (report.spend[outcome] < 0) problems.push(`${report.id}: ${outcome} spend is below zero.`);
    }
    if (receipt.inFlightMicros !== inFlightMicros)
      problems.push(`${report.id}: ${inFlightMicros} in flight, its calls say ${receipt.inFlightMicros}.`);
    if (isFinished(report.status) && (report.spend.pending > 0 || inFlightMicros > 0))
      problems.push(`${report.id} is ${report.status}, and some of its spend has no outcome yet.`);
    for (const line of receipt.calls) {
      if (line.elapsedMs !== null && (line.outcome === "in_flight" || line.outcome === "unknown"))
        problems.push(
          `${report.id}: an answer to ${line.section}/${line.call} is here and booked as ${line.outcome}.`,
        );
      if (line.outcome === "in_flight" || line.outcome === "unknown" || !line.exact)
        unsureMicros += line.micros;
      else exactMicros += line.micros;
    }
  }
  problems.push(...(await fleetSums(store, sums)), ...(await counters(store, sums)));
  problems.push(...(await accountSums(store)), ...(await statusLists(store, reports)));
  if (provider !== undefined) {
    const billed = billedMicros(provider);
    if (exactMicros > billed)
      problems.push(`Our books say ${exactMicros} was billed for sure; the provider billed ${billed}.`);
    if (billed > exactMicros + unsureMicros)
      problems.push(
        `The provider billed ${billed}; our books know ${exactMicros} and suspect ${unsureMicros} more at most.`,
      );
  }
  return problems;
}

async function holdAndReport(store: Store, { report }: StoredReport): Promise<string[]> {
  const hold = await readHold(store, report.holdId);
  if (hold === null) return [`${report.id} has no hold ${report.holdId}.`];
  const problems: string[] = [];
  const over = isFinished(report.status);
  if (over === (hold.status === "reserved"))
    problems.push(`${report.id} is ${report.status} and its hold is ${hold.status}.`);
  if (!over && report.hold !== hold.status)
    problems.push(`${report.id} says its hold is ${report.hold}; it is ${hold.status}.`);
  const open = (await store.redis.zscore(store.keys.openHolds, hold.id)) !== null;
  if (open !== (hold.status === "reserved"))
    problems.push(
      `Hold ${hold.id} is ${hold.status}, and the sweeper ${open ? "watches it" : "does not watch it"}.`,
    );
  const rows = (await readLedger(store, report.account, 100_000)).filter(
    ({ report: of }) => of === report.id,
  );
  const sum = (verb: string) => rows.reduce((total, row) => total + (row.verb === verb ? row.credits : 0), 0);
  if (report.charged !== sum("commit") - sum("refund"))
    problems.push(
      `${report.id} says ${report.charged} credits are charged; its rows say ${sum("commit") - sum("refund")}.`,
    );
  if (sum("commit") > report.credits)
    problems.push(`${report.id} costs ${report.credits} credits and was charged ${sum("commit")}.`);
  return problems;
}

/** What the fleet says of all its accounts at once. */
async function accountSums(store: Store): Promise<string[]> {
  const totals = await readCreditTotals(store);
  const balances = await Promise.all(
    (await listAccounts(store)).map((account) => readBalance(store, account)),
  );
  return (["available", "held", "committed", "deposits"] as const).flatMap((part) => {
    const sum = balances.reduce((before, balance) => before + balance[part], 0);
    return sum === totals[part]
      ? []
      : [`All accounts together have ${sum} ${part}; the fleet says ${totals[part]}.`];
  });
}

/** Each report is listed under the status it has, and under no other. */
async function statusLists(store: Store, reports: readonly StoredReport[]): Promise<string[]> {
  const problems: string[] = [];
  for (const status of REPORT_STATUSES) {
    const listed = await store.redis.zrange(store.keys.indexStatus(status), "0", "-1");
    const are = reports.flatMap(({ report }) => (report.status === status ? [report.id as string] : []));
    if (listed.toSorted().join() !== are.toSorted().join())
      problems.push(`${are.length} reports are ${status}, and ${listed.length} are listed as such.`);
  }
  return problems;
}

/** The counters behind `/metrics`, less what they still owe, are the same sums once more. */
async function counters(store: Store, expected: Record<string, number>): Promise<string[]> {
  const { counters: counted, owed } = await readCounts(store);
  const problems = [...counted, ...owed]
    .filter(([, value]) => !(Number.isSafeInteger(value) && value >= 0))
    .map(([field, value]) => `The counter ${field} is ${value}.`);
  const sum = (metric: string, ending: string) =>
    [...counted.keys(), ...owed.keys()]
      .filter((field, nth, all) => all.indexOf(field) === nth)
      .filter((field) => field.startsWith(`${metric}|`) && field.endsWith(ending))
      .reduce((total, field) => total + (counted.get(field) ?? 0) - (owed.get(field) ?? 0), 0);
  const all = SPEND_OUTCOMES.reduce((total, outcome) => total + (expected[outcome] ?? 0), 0);
  const pairs: [string, string, number][] = [
    ["fleet_spend_usd_total", "", all],
    ["fleet_wasted_spend_usd_total", "", expected["wasted"] ?? 0],
    ...(["useful", "repaired", "wasted", "unknown"] as const).map((outcome): [string, string, number] => [
      "fleet_settled_spend_usd_total",
      `|${outcome}`,
      expected[outcome] ?? 0,
    ]),
  ];
  for (const [metric, ending, books] of pairs)
    if (sum(metric, ending) !== books)
      problems.push(`${metric}${ending} counts ${sum(metric, ending)}; the reports say ${books}.`);
  return problems;
}

async function fleetSums(store: Store, expected: Record<string, number>): Promise<string[]> {
  const found: Partial<Spend> = {};
  const prefix = store.keys.spendOfDay(0).slice(0, -1);
  for await (const keys of store.redis.scanStream({
    match: `${prefix.replaceAll(/[[\]*?\\]/g, "\\$&")}*`,
    count: 1_000,
  })) {
    for (const key of new Set(keys as string[])) {
      const day = key.slice(prefix.length);
      if (!/^\d+$/.test(day)) continue;
      const name = dayName(Number(day));
      const lines = await readSpendOfDay(store, name);
      const [sums] = await readSpendSums(store, name, name);
      for (const outcome of SPEND_OUTCOMES) {
        const ofLines = lines.reduce((sum, line) => sum + (line.outcome === outcome ? line.micros : 0), 0);
        if (sums?.spend[outcome] !== ofLines)
          return [`Day ${name} says ${sums?.spend[outcome]} ${outcome}; its lines add up to ${ofLines}.`];
      }
      for (const line of lines) {
        found[line.outcome] = (found[line.outcome] ?? 0) + line.micros;
        if (line.micros < 0 || line.calls < 1)
          return [`A line of day ${line.day} is ${JSON.stringify(line)}.`];
      }
    }
  }
  return SPEND_OUTCOMES.filter((outcome) => (found[outcome] ?? 0) !== (expected[outcome] ?? 0)).map(
    (outcome) =>
      `The fleet's days add up to ${found[outcome] ?? 0} ${outcome}, its reports to ${expected[outcome] ?? 0}.`,
  );
}

/**
 * The receipt of a report: every request that may have been billed, what it cost, and what became of it. It is read from
 * the same rows that the report's sums are booked from, so the two agree to the micro-USD.
 */
import type { TokenUsage } from "../domain/call.ts";
import { NO_SPEND, type Spend, type SpendOutcome } from "../domain/failure.ts";
import type { EpochMs, MicroUsd, ReportId } from "../domain/ids.ts";
import type { AnsweredFacts } from "./call-outcomes.ts";
import type { AskedFacts } from "./calls.ts";
import { readAskFields, readCallNames } from "./pack-report.ts";
import type { Store } from "./redis.ts";

export interface ReceiptLine {
  section: string;
  call: string;
  take: number;
  askedAt: EpochMs;
  route: string;
  /** As the provider named it; as configured where no answer came. */
  model: string;
  promptVersion: string;
  /** Null where no answer came, or the provider sent no usage. */
  tokens: TokenUsage | null;
  micros: MicroUsd;
  /** False where `micros` is our upper estimate. */
  exact: boolean;
  priceTable: string | null;
  elapsedMs: number | null;
  outcome: SpendOutcome | "in_flight" | "not_billed";
  /** What wasted or unknown spend was lost to; null for all other. */
  lostTo: string | null;
}

export interface SpendReceipt {
  calls: ReceiptLine[];
  spend: Spend;
  inFlightMicros: MicroUsd;
  /** Answers reused from another report, at no cost. */
  reused: { section: string; call: string }[];
}

export async function readReceipt(store: Store, report: ReportId): Promise<SpendReceipt> {
  const asks = await readAskFields(store, report);
  const calls: ReceiptLine[] = [];
  for (const [field, row] of Object.entries(asks)) {
    if (!field.endsWith(".books")) continue;
    calls.push(lineOf(asks, field.slice(0, -".books".length), row));
  }
  // Many may be asked in one millisecond; the same receipt is told in the same order each time.
  calls.sort(
    (a, b) =>
      a.askedAt - b.askedAt ||
      a.section.localeCompare(b.section) ||
      a.call.localeCompare(b.call) ||
      a.take - b.take,
  );

  const spend: Spend = { ...NO_SPEND };
  let inFlightMicros = 0;
  for (const { outcome, micros } of calls) {
    if (outcome === "in_flight") inFlightMicros += micros;
    else if (outcome !== "not_billed") spend[outcome] += micros;
  }
  return { calls, spend, inFlightMicros, reused: await readReused(store, report, calls) };
}

function lineOf(asks: Record<string, string>, askId: string, row: string): ReceiptLine {
  const [outcome = "", micros, kind = "", askedAt, ...model] = row.split("|");
  const [, , , takeKey = ""] = (asks[askId] ?? "").split("|");
  const asked = JSON.parse(asks[`${askId}.asked`] ?? "{}") as Partial<AskedFacts>;
  const answered = JSON.parse(asks[`${askId}.answered`] ?? "null") as AnsweredFacts | null;
  return {
    ...namesOf(takeKey),
    askedAt: Number(askedAt),
    route: asked.route ?? "",
    model: answered?.model ?? model.join("|"),
    promptVersion: asked.promptVersion ?? "",
    tokens: answered?.tokens ?? null,
    micros: Number(micros),
    exact: outcome === "not_billed" || (answered?.exact ?? false),
    priceTable: answered?.priceTable ?? null,
    elapsedMs: answered?.elapsedMs ?? null,
    outcome: outcome as ReceiptLine["outcome"],
    lostTo: kind === "" ? null : kind,
  };
}

/** `<section>/<call>/<hash>#<take>` */
function namesOf(takeKey: string): { section: string; call: string; take: number } {
  const [section = "", call = "", last = ""] = takeKey.split("/");
  return { section, call, take: Number(last.split("#")[1] ?? 1) };
}

/** Calls with an accepted answer that was never asked for here. */
async function readReused(
  store: Store,
  report: ReportId,
  paid: readonly ReceiptLine[],
): Promise<SpendReceipt["reused"]> {
  const fields = await readCallNames(store, report);
  const known = new Set(fields);
  const asked = new Set(paid.map(({ section, call, take }) => `${section}/${call}#${take}`));
  return fields.flatMap((field) => {
    if (!field.endsWith("#1") || known.has(`${field}!`)) return [];
    const { section, call } = namesOf(field);
    return asked.has(`${section}/${call}#1`) ? [] : [{ section, call }];
  });
}

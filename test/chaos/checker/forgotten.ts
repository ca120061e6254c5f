/**
 * A failover may forget what the primary acknowledged last. For the invariants that speak of what was acknowledged, the orders
 * that somebody dealt with in those moments are left out; all others, and all money, are judged as ever.
 */
import type { Evidence } from "../evidence.ts";
import { LONGEST_DRIP_MS } from "../plan.ts";
import type { ProviderRow } from "../witnesses.ts";
import { overlaps, type Span } from "./inquiry.ts";

/** A witness writes down what it was told a little after the store has it. */
const MARGIN_MS = 1_500;

export function withoutForgotten(evidence: Evidence): Evidence {
  const spans = lossSpans(evidence);
  if (spans.length === 0) return evidence;
  const touched = ordersTouched(evidence, spans);
  const reports = new Map(
    [...evidence.reports].filter(([, { order }]) => order === null || !touched.has(order)),
  );
  const gone = new Set([
    ...[...evidence.reports].flatMap(([id, { order }]) => (order !== null && touched.has(order) ? [id] : [])),
    ...evidence.client.flatMap((row) =>
      row.what === "ordered" && touched.has(row.order) ? [row.report] : [],
    ),
  ]);
  return {
    ...evidence,
    reports,
    provider: evidence.provider.filter((row) => !touched.has(orderOf(row.marker))),
    client: evidence.client.filter(
      (row) =>
        !("order" in row && touched.has(row.order)) &&
        !("report" in row && gone.has(String(row.report))) &&
        !(row.what === "turned" && within(row.at, spans)),
    ),
    webhooks: evidence.webhooks.filter(({ data }) => !gone.has(String(data["report"]))),
    faults: evidence.faults.filter(
      ({ facts }) => !gone.has(String(facts["report"])) && !touched.has(Number(facts["order"])),
    ),
  };
}

/** When the store acknowledged what it later forgot. */
export function lossSpans({ faults }: Evidence): Span[] {
  return faults.flatMap(({ facts: { lossFrom, lossTo } }) =>
    lossFrom === undefined || lossTo === undefined
      ? []
      : [{ from: Number(lossFrom) - MARGIN_MS, to: Number(lossTo) + MARGIN_MS }],
  );
}

/** Whether the answer came, or could have come, in one of the spans: one that drips comes long after it is booked. */
export function fellInto({ at, bookedAt, outcome }: ProviderRow, spans: readonly Span[]): boolean {
  const cameBy = bookedAt + (outcome === "slow_drip" ? LONGEST_DRIP_MS : 0);
  return spans.some((span) => overlaps(span, at, cameBy));
}

function ordersTouched(
  { provider, client, webhooks, reports }: Evidence,
  spans: readonly Span[],
): Set<number> {
  const touched = new Set<number>();
  const orderOfReport = new Map(
    client.flatMap((row) => (row.what === "ordered" ? [[row.report, row.order] as const] : [])),
  );
  for (const row of provider) if (fellInto(row, spans)) touched.add(orderOf(row.marker));
  for (const row of client) {
    if (!within(row.at, spans)) continue;
    if ("order" in row) touched.add(row.order);
    if ("report" in row && row.report !== null) touched.add(orderOfReport.get(row.report) ?? -1);
  }
  for (const { at, data } of webhooks)
    if (within(at, spans)) touched.add(orderOfReport.get(String(data["report"])) ?? -1);
  for (const { order, events } of reports.values())
    if (order !== null && events.some(({ at }) => within(at, spans))) touched.add(order);
  return touched;
}

function within(at: number, spans: readonly Span[]): boolean {
  return spans.some(({ from, to }) => at >= from && at <= to);
}

function orderOf(marker: string | null): number {
  return Number(marker?.split("/")[3] ?? -1);
}

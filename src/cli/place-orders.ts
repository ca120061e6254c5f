/** A batch is checked as a whole before its first order, and then ordered line by line, several at a time. */
import { FleetError, isFleetError, type FieldProblem } from "../domain/fleet-error.ts";
import { submitReport, type Counter, type Submitted } from "../producer/submit-report.ts";
import { checkSource } from "../report-types/source.ts";
import { readBalance } from "../store/credits.ts";
import { refuseBatch, type BatchLine } from "./inputs.ts";

/** Enough to keep Redis busy, and few enough that a large batch does not hold thousands of sources in memory. */
const ORDERS_AT_ONCE = 16;

/** Everything that can be known before the first order: every source, and whether the credits suffice for all. */
export async function checkOrders(
  { store, types }: Counter,
  typeName: string,
  accountName: string,
  lines: readonly BatchLine[],
): Promise<void> {
  const type = types.require(typeName);
  const problems: FieldProblem[] = [];
  const lineOfKey = new Map<string, number>();
  for (const { line, source, idempotencyKey } of lines) {
    const checked = checkSource(type, source);
    if (!checked.ok) {
      for (const field of checked.fields)
        problems.push({ path: `line ${line}: ${field.path}`, message: field.message });
    }
    if (idempotencyKey === undefined) continue;
    const earlier = lineOfKey.get(idempotencyKey);
    if (earlier !== undefined)
      problems.push({ path: `line ${line}: idempotencyKey`, message: `is the same as on line ${earlier}` });
    lineOfKey.set(idempotencyKey, line);
  }
  refuseBatch(problems);

  // With keys, some may have been ordered before and cost nothing again; then each order is asked for itself.
  if (lineOfKey.size > 0) return;
  const { available } = await readBalance(store, accountName);
  const needed = type.credits * lines.length;
  if (available < needed) {
    throw new FleetError(
      "insufficient_credits",
      `${lines.length} reports of "${type.type}" cost ${needed} credits and account ${accountName} has ${available} available. ` +
        "Nothing was ordered; grant credits and submit the file again.",
    );
  }
}

interface Ordered {
  submitted: Submitted[];
  /** Why the rest was not ordered; what was ordered stands. */
  refused: FleetError | null;
}

export async function placeOrders(
  counter: Counter,
  type: string,
  accountName: string,
  lines: readonly BatchLine[],
  isBatch: boolean,
): Promise<Ordered> {
  const submitted: (Submitted | undefined)[] = [];
  const refusals: { line: number; error: FleetError }[] = [];
  let next = 0;
  async function orderNext(): Promise<void> {
    while (next < lines.length && refusals.length === 0) {
      const at = next;
      next += 1;
      const order = lines[at];
      if (order === undefined) return;
      try {
        const { source, idempotencyKey, again, priority, deliverBy, callback } = order;
        submitted[at] = await submitReport(counter, {
          account: accountName,
          type,
          source,
          idempotencyKey,
          again,
          priority,
          deliverBy,
          callback,
        });
      } catch (error) {
        if (!isBatch || !isFleetError(error)) throw error;
        refusals.push({ line: order.line, error });
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(ORDERS_AT_ONCE, lines.length) }, orderNext));

  const done = submitted.filter((one) => one !== undefined);
  const first = refusals.toSorted((a, b) => a.line - b.line)[0];
  if (first === undefined) return { submitted: done, refused: null };
  const { line, error } = first;
  const summary = `${done.length} of ${lines.length} were ordered; the rest was not.`;
  return {
    submitted: done,
    refused: new FleetError(error.code, `Line ${line}: ${error.message} ${summary}`, {
      fields: error.fields,
    }),
  };
}

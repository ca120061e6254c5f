/**
 * What the simulated provider was asked and what it billed: the witness that the fleet's own books are checked against.
 *
 * One row a request, appended once its outcome is certain and never changed. With a file, the row is on disk before the
 * last byte of the response leaves, so the file still tells the truth after a `kill -9` of either side.
 */
import { createHash } from "node:crypto";
import { appendFileSync } from "node:fs";
import type { Message } from "../../domain/call.ts";
import type { MicroUsd } from "../../domain/ids.ts";
import type { Fault } from "./faults.ts";

export interface LedgerRow {
  /** Counts requests from 1, in order of arrival. */
  n: number;
  /** When the request arrived, epoch milliseconds. */
  at: number;
  /** When its outcome was certain and this row was written. */
  bookedAt: number;
  /** Who asked, where a client says so in an `x-asked-by` header; tells the processes of a fleet apart. */
  askedBy: string | null;
  model: string;
  /** Requests with equal messages have equal hashes, so that a test can count what was asked twice. */
  promptHash: string;
  /** The first `[[…]]` of the prompt, by which a test finds its own requests; null where there is none. */
  marker: string | null;
  stream: boolean;
  /** `client_gone`: nobody was left to read the answer; it was generated and is billed all the same. */
  outcome: "answered" | "client_gone" | Fault["kind"];
  billed: boolean;
  inputTokens: number;
  outputTokens: number;
  micros: MicroUsd;
}

export class Ledger {
  readonly #rows: LedgerRow[] = [];
  readonly #file: string | null;

  constructor(file: string | null) {
    this.#file = file;
  }

  append(row: LedgerRow): void {
    this.#rows.push(row);
    if (this.#file !== null) appendFileSync(this.#file, `${JSON.stringify(row)}\n`);
  }

  rows(): LedgerRow[] {
    return this.#rows.map((row) => ({ ...row }));
  }
}

export function promptHash(messages: readonly Message[]): string {
  const asked = messages.map(({ role, content }) => [role, content]);
  return createHash("sha256").update(JSON.stringify(asked)).digest("hex");
}

export function markerOf(prompt: string): string | null {
  return /\[\[([^[\]\n]{1,200})\]\]/.exec(prompt)?.[1] ?? null;
}

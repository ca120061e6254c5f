/**
 * Folds the ledger again and again, a bounded piece at a time, and knows by how many credits it differs from the
 * balances: what `credits reconcile` does in one go, for a gauge that must always be 0.
 *
 * An account is folded from where the walk left it the last time, so a round costs the rows that are new; a row that
 * was changed after it was folded shows in the next process that walks. A balance is read together with the id of its newest row, and only rows up to it are folded, so the fleet may work on meanwhile.
 */
import { applyEntry, type Balance } from "../domain/credits.ts";
import { readBalancesAt, readLedgerAfter, type BalanceAt } from "./credits.ts";
import type { Store } from "./redis.ts";

interface Folded {
  balance: Balance;
  /** Rows folded so far. */
  entries: number;
}

export interface LedgerDrift {
  /** Sum over the accounts of how far balance and rows are apart; 0 unless there is a bug. */
  credits: number;
  /** How long ago the last round over all accounts was over, in ms; null before the first. */
  ageMs: number | null;
}

/** So much is read in one step: some tens of milliseconds, and a hundred thousand accounts in a quarter of an hour. */
const ACCOUNTS_AT_ONCE = 2_000;
const ROWS_AT_ONCE = 2_000;
const ACCOUNTS_A_PAGE = 100;
const ROWS_A_PAGE = 500;
/** Beyond so many accounts, some are folded from their first row each time. */
const MOST_REMEMBERED = 50_000;

export class LedgerWalk {
  readonly #folded = new Map<string, Folded>();
  readonly #drifts = new Map<string, number>();
  #cursor = "0";
  #waiting: BalanceAt[] = [];
  /** All accounts of this round were fetched. */
  #fetchedAll = false;
  #roundOverAt: number | null = null;

  async step(store: Store): Promise<LedgerDrift> {
    let rows = ROWS_AT_ONCE;
    for (let accounts = 0; accounts < ACCOUNTS_AT_ONCE;) {
      const next = this.#waiting[0];
      if (next !== undefined) {
        rows -= await this.#fold(store, next, rows);
        if (rows === 0) break;
        this.#waiting.shift();
        accounts += 1;
      } else if (this.#fetchedAll) {
        this.#fetchedAll = false;
        this.#roundOverAt = performance.now();
        break;
      } else await this.#fetch(store);
    }
    return {
      credits: [...this.#drifts.values()].reduce((sum, drift) => sum + drift, 0),
      ageMs: this.#roundOverAt === null ? null : performance.now() - this.#roundOverAt,
    };
  }

  async #fetch(store: Store): Promise<void> {
    const { redis, keys } = store;
    const [cursor, accounts] = await redis.sscan(keys.accounts, this.#cursor, "COUNT", ACCOUNTS_A_PAGE);
    this.#waiting = await readBalancesAt(store, accounts);
    this.#cursor = cursor;
    this.#fetchedAll = cursor === "0";
  }

  /** Answers how many rows it took; all of `most` where the account is not done with them. */
  async #fold(store: Store, { balance, entries }: BalanceAt, most: number): Promise<number> {
    const { account } = balance;
    const folded = this.#folded.get(account) ?? { balance: emptyBalance(account), entries: 0 };
    this.#folded.set(account, folded);
    let taken = 0;
    while (folded.entries < entries) {
      const wanted = Math.min(ROWS_A_PAGE, entries - folded.entries, most - taken);
      if (wanted === 0) return most;
      const page = await readLedgerAfter(store, account, folded.entries, wanted);
      for (const entry of page) folded.balance = applyEntry(folded.balance, entry);
      // A row that is missing shows in the sums.
      folded.entries = page.length < wanted ? entries : (page.at(-1)?.id ?? entries);
      taken += page.length;
    }
    if (this.#folded.size > MOST_REMEMBERED) this.#folded.delete(account);
    const drift = distance(balance, folded.balance);
    if (drift === 0) this.#drifts.delete(account);
    else this.#drifts.set(account, drift);
    return Math.min(taken, most - 1);
  }
}

function emptyBalance(account: string): Balance {
  return { account, available: 0, held: 0, committed: 0, deposits: 0 };
}

function distance(a: Balance, b: Balance): number {
  return (
    Math.abs(a.available - b.available) +
    Math.abs(a.held - b.held) +
    Math.abs(a.committed - b.committed) +
    Math.abs(a.deposits - b.deposits)
  );
}

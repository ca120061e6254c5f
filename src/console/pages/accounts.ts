/** Accounts: what each can order for, what is held and was charged, and the ledger whose rows add up to it. */
import { z } from "zod";
import { Problem } from "../../api/problems.ts";
import { formatCredits, type Balance, type Hold, type LedgerEntry } from "../../domain/credits.ts";
import {
  listAccounts,
  readBalance,
  readCreditReview,
  readCreditTotals,
  readHold,
  readLedger,
} from "../../store/credits.ts";
import { redisNow, type Store } from "../../store/redis.ts";
import { form } from "../form.ts";
import { ago, count, status, VERB_WORDS } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { page } from "../page.ts";
import { tile } from "../tile.ts";
import { anAccount, decisions, grantForm } from "./account-decisions.ts";

const ACCOUNT_ROWS = 50;
const LEDGER_ROWS = 100;
const HOLD_ROWS = 20;

const list = page({
  path: "/accounts",
  role: "viewer",
  query: z.object({
    q: z.string().max(64).catch("").default(""),
    after: z.string().max(64).optional().catch(undefined),
  }),
  async show(visit) {
    const { desk, query } = visit;
    const { store } = desk;
    const names = (await listAccounts(store)).filter(
      (name) => name.includes(query.q) && (query.after === undefined || name > query.after),
    );
    const shown = names.slice(0, ACCOUNT_ROWS);
    const [rows, totals] = await Promise.all([
      Promise.all(
        shown.map(async (account) => ({
          balance: await readBalance(store, account),
          review: await readCreditReview(store, account),
        })),
      ),
      readCreditTotals(store),
    ]);
    const last = shown.at(-1);
    return {
      title: "Credits",
      nav: "credits",
      body: html`<h1>Credits</h1>
        <div id="totals" data-live="credits" class="tiles">
          ${tile("Available", count(totals.available), "credits for new orders")}
          ${tile("Held", count(totals.held), "credits for reports that are not over")}
          ${tile("Charged", count(totals.committed), "credits for what was delivered")}
          ${tile("Deposits", count(totals.deposits), "credits, the sum of the three")}
        </div>
        ${
          visit.may("admin")
            ? form(
                visit,
                "/accounts/reconcile",
                html`<button class="plain">Fold every ledger again and compare</button>`,
              )
            : NOTHING
        }
        <h2>Accounts</h2>
        <form class="filters" action="/console/accounts" role="search" data-auto>
          <input
            type="search"
            name="q"
            value="${query.q}"
            maxlength="64"
            aria-label="Part of an account's name"
            placeholder="Part of a name"
            data-search
          />
          <button>Search</button>
        </form>
        ${rows.length === 0 ? html`<p class="muted">No account is like that. An account begins with its first credits.</p>` : table(rows)}
        ${
          names.length > shown.length && last !== undefined
            ? html`<p>
                <a
                  class="button plain"
                  href="/console/accounts?${new URLSearchParams({ q: query.q, after: last }).toString()}"
                  >More</a
                >
              </p>`
            : NOTHING
        }
        ${visit.may("admin") ? grantForm(visit, null) : NOTHING}`,
    };
  },
});

function table(rows: readonly { balance: Balance; review: { because: string } | null }[]): Html {
  return html`<table class="cards">
    <thead>
      <tr>
        <th>Account</th>
        <th class="num">Available</th>
        <th class="num">Held</th>
        <th class="num">Charged</th>
        <th class="num">Deposits</th>
        <th>Review</th>
      </tr>
    </thead>
    <tbody data-rows>
      ${rows.map(
        ({ balance, review }) =>
          html`<tr>
            <td><a href="/console/accounts/${encodeURIComponent(balance.account)}">${balance.account}</a></td>
            <td class="num" data-label="Available">${count(balance.available)}</td>
            <td class="num" data-label="Held">${count(balance.held)}</td>
            <td class="num" data-label="Charged">${count(balance.committed)}</td>
            <td class="num" data-label="Deposits">${count(balance.deposits)}</td>
            <td class="why">
              ${review === null ? NOTHING : html`${status("needs_review", "credit review")} ${review.because}`}
            </td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

const show = page({
  path: "/accounts/:account",
  role: "viewer",
  params: anAccount,
  async show(visit) {
    const { store } = visit.desk;
    const { account } = visit.params;
    const [balance, review, ledger, now] = await Promise.all([
      readBalance(store, account),
      readCreditReview(store, account),
      readLedger(store, account, LEDGER_ROWS),
      redisNow(store),
    ]);
    if (ledger.length === 0) throw new Problem("not_found", "There is no such account.");
    const holds = await openHolds(store, ledger);
    return {
      title: account,
      nav: "credits",
      body: html`<h1>${account}</h1>
        <div id="account" data-live="credits">
          ${review === null ? NOTHING : html`<p class="banner warn"><strong>Credit review.</strong> ${review.because} Its reports are not run again until a person has looked.</p>`}
          <dl class="facts">
            <dt>Available</dt>
            <dd>${formatCredits(balance.available)}</dd>
            <dt>Held</dt>
            <dd>${formatCredits(balance.held)} for reports that are not over</dd>
            <dt>Charged</dt>
            <dd>${formatCredits(balance.committed)} for what was delivered</dd>
            <dt>Deposits</dt>
            <dd>${formatCredits(balance.deposits)}, the sum of the three</dd>
          </dl>
          <p><a href="/console/reports?account=${encodeURIComponent(account)}">Its reports</a></p>
          ${holds.length === 0 ? NOTHING : holdTable(holds, now)}
          <h2>Ledger</h2>
          ${ledgerTable(ledger, now)}
        </div>
        ${visit.may("admin") ? decisions(visit, account, review !== null) : html`<p class="muted">An admin can move credits here.</p>`}`,
    };
  },
});

/** Among the newest rows; `report-fleet credits ls` has every hold there is. */
async function openHolds(store: Store, ledger: readonly LedgerEntry[]): Promise<Hold[]> {
  const reserved = ledger.filter(({ verb }) => verb === "reserve").map(({ reference: id }) => id);
  const ended = new Set(
    ledger.filter(({ verb }) => verb === "commit" || verb === "reverse").map(({ reference: id }) => id),
  );
  const open = reserved.filter((id) => !ended.has(id)).slice(0, HOLD_ROWS);
  const holds = await Promise.all(open.map((id) => readHold(store, id)));
  return holds.filter((hold) => hold !== null && hold.status === "reserved") as Hold[];
}

function holdTable(holds: readonly Hold[], now: number): Html {
  return html`<h2>Held now</h2>
    <table class="cards">
      <thead>
        <tr>
          <th>Report</th>
          <th class="num">Credits</th>
          <th class="num">Since</th>
        </tr>
      </thead>
      <tbody data-rows>
        ${holds.map(
          (hold) =>
            html`<tr>
              <td><a class="mono" href="/console/reports/${hold.report}">${hold.report}</a></td>
              <td class="num" data-label="Credits">${count(hold.credits)}</td>
              <td class="num" data-label="Since">${ago(hold.at, now)}</td>
            </tr>`,
        )}
      </tbody>
    </table>`;
}

/** What a row does to what the account can order for. */
const SIGNS = { grant: "+", reserve: "−", commit: "", reverse: "+", refund: "+" } as const;

function ledgerTable(ledger: readonly LedgerEntry[], now: number): Html {
  return html`<table class="cards">
    <thead>
      <tr>
        <th class="num">Row</th>
        <th>What</th>
        <th class="num">Credits</th>
        <th>For</th>
        <th>By</th>
        <th>Why</th>
        <th class="num">When</th>
      </tr>
    </thead>
    <tbody data-rows>
      ${ledger.map(
        (row) =>
          html`<tr>
            <td class="num" data-label="Row">${row.id}</td>
            <td>${VERB_WORDS[row.verb]}</td>
            <td class="num">${SIGNS[row.verb]}${count(row.credits)}</td>
            <td>
              ${row.report === null ? row.reference : html`<a class="mono small" href="/console/reports/${row.report}">${row.report}</a>`}
            </td>
            <td data-label="By">${row.by ?? "the fleet"}</td>
            <td class="why">${row.why ?? NOTHING}</td>
            <td class="num" data-label="When">${ago(row.at, now)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

export const accountPages = [list, show];

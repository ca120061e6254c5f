/** Accounts: what each can order for, what is held and was charged, and the ledger whose rows add up to it. */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { Problem } from "../../api/problems.ts";
import { formatCredits, type Balance, type Hold, type LedgerEntry } from "../../domain/credits.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import { ACCOUNT_RULE, isAccount, isReportId } from "../../domain/ids.ts";
import {
  closeCreditReview,
  grantCredits,
  listAccounts,
  readBalance,
  readCreditReview,
  readCreditTotals,
  readHold,
  readLedger,
  refundCredits,
} from "../../store/credits.ts";
import { eraseAccount } from "../../store/erase.ts";
import { reconcile } from "../../store/reconcile.ts";
import { redisNow, type Store } from "../../store/redis.ts";
import { readReport } from "../../store/reports.ts";
import { eraseSpooled } from "../../workers/spool.ts";
import { form, why, whyField } from "../form.ts";
import { ago, count, status, VERB_WORDS } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { action, page, type Visit } from "../page.ts";
import { tile } from "../tile.ts";

const ACCOUNT_ROWS = 50;
const LEDGER_ROWS = 100;
const HOLD_ROWS = 20;
const MOST_CREDITS = 1_000_000_000;

const anAccount = z.object({ account: z.string().refine(isAccount, ACCOUNT_RULE) });
const credits = z.coerce
  .number("a number of credits")
  .pipe(z.int("whole credits").min(1, "1 credit or more").max(MOST_CREDITS));
const reference = z.string().trim().min(1).max(200);

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

function decisions(visit: Visit, account: string, inReview: boolean): Html {
  const at = `/accounts/${encodeURIComponent(account)}`;
  return html`<h2>Decide</h2>
    ${
      inReview
        ? html`<details class="action" open>
            <summary>End the credit review</summary>
            ${form(visit, `${at}/end-review`, html`${whyField("why-review", "their data is mended")} <button>Let its reports be run again</button>`)}
          </details>`
        : NOTHING
    }
    ${grantForm(visit, account)}
    <details class="action">
      <summary>Refund a delivered report</summary>
      ${form(
        visit,
        `${at}/refund`,
        html`<label for="refund-report">Report</label>
          <input
            id="refund-report"
            name="report"
            class="mono"
            required
            maxlength="40"
            autocomplete="off"
            placeholder="rp-…"
          />
          ${amountFields("refund")} ${whyField("why-refund", "a section was of no use")}
          <button class="danger">Refund</button>`,
      )}
    </details>
    <details class="action">
      <summary>Erase the account's texts</summary>
      ${form(
        visit,
        `${at}/erase`,
        html`<p>
            Removes sources, answers and documents of all its reports for good; those that are not over are
            cancelled first and their credits returned. Balance and ledger stay.
          </p>
          <label for="erase-name">The account's name once more</label>
          <input id="erase-name" name="confirm" required autocomplete="off" />
          <button class="danger">Erase for good</button>`,
      )}
    </details>`;
}

function grantForm(visit: Visit, account: string | null): Html {
  const to = account === null ? "/accounts/grant" : `/accounts/${encodeURIComponent(account)}/grant`;
  return html`<details class="action">
    <summary>Add credits</summary>
    ${form(
      visit,
      to,
      html`${
          account === null
            ? html`<label for="grant-account">Account</label>
                <input id="grant-account" name="account" required maxlength="64" autocomplete="off" />`
            : NOTHING
        }
        ${amountFields("grant")} ${whyField("why-grant", "invoice 2026-17 is paid")}
        <button>Add them</button>`,
    )}
  </details>`;
}

/** The reference makes sending the form twice one deposit; a name of one's own does so across pages as well. */
function amountFields(what: string): Html {
  return html`<label for="${what}-credits">Credits</label>
    <input
      id="${what}-credits"
      name="credits"
      required
      inputmode="numeric"
      pattern="[0-9]{1,10}"
      autocomplete="off"
    />
    <label for="${what}-reference">Reference, used once</label>
    <input
      id="${what}-reference"
      name="reference"
      required
      maxlength="200"
      value="console-${randomUUID()}"
      autocomplete="off"
    />`;
}

const grantTo = action({
  path: "/accounts/:account/grant",
  role: "admin",
  params: anAccount,
  form: z.object({ credits, reference, why }),
  act: ({ desk, by, params }, fields) => grant(desk.store, params.account, by, fields),
});

const grantFirst = action({
  path: "/accounts/grant",
  role: "admin",
  form: z.object({ account: anAccount.shape.account, credits, reference, why }),
  act: ({ desk, by }, { account, ...fields }) => grant(desk.store, account, by, fields),
});

async function grant(
  store: Store,
  account: string,
  by: string,
  fields: { credits: number; reference: string; why: string },
) {
  const granted = await grantCredits(store, { account, by, ...fields });
  if (granted.outcome === "conflict")
    throw new FleetError(
      "idempotency_conflict",
      `This reference already granted ${formatCredits(granted.grantedBefore)}. Use a new one for a new grant; nothing was changed.`,
    );
  return {
    to: `/console/accounts/${encodeURIComponent(account)}`,
    said:
      granted.outcome === "granted"
        ? `${formatCredits(fields.credits)} were added.`
        : "This reference was granted before; nothing was added twice.",
  };
}

const refund = action({
  path: "/accounts/:account/refund",
  role: "admin",
  params: anAccount,
  form: z.object({ report: z.string().trim().refine(isReportId, "an id as rp-…"), credits, reference, why }),
  async act({ desk, by, params: { account } }, { report, ...fields }) {
    const stored = await readReport(desk.store, report);
    if (stored === null || stored.report.account !== account)
      throw new Problem("not_found", `${account} has no report ${report}. Nothing was changed.`);
    const refunded = await refundCredits(desk.store, { report, account, by, ...fields });
    if (refunded.outcome === "exceeds")
      throw new FleetError(
        "not_allowed",
        `${formatCredits(refunded.left)} of it are charged and not refunded yet. Nothing was changed.`,
      );
    if (refunded.outcome === "conflict")
      throw new FleetError("idempotency_conflict", "This reference already refunded something else.");
    return {
      said:
        refunded.outcome === "refunded"
          ? `${formatCredits(fields.credits)} were refunded.`
          : "This reference was refunded before; nothing was given twice.",
    };
  },
});

const endReview = action({
  path: "/accounts/:account/end-review",
  role: "admin",
  params: anAccount,
  form: z.object({ why }),
  async act({ desk, by, params: { account } }, form_) {
    const outcome = await closeCreditReview(desk.store, account, by, form_.why);
    return { said: outcome === "closed" ? `${account}'s reports may be run again.` : "There is no review." };
  },
});

const erase = action({
  path: "/accounts/:account/erase",
  role: "admin",
  params: anAccount,
  form: z.object({ confirm: z.string().trim() }),
  async act({ desk, by, params: { account } }, { confirm }) {
    if (confirm !== account)
      throw new Problem("invalid_input", "The name does not agree; nothing was erased.");
    const erased = await eraseAccount(desk.store, account, by);
    eraseSpooled(desk.spoolDir, erased.reports);
    return {
      said: `The texts of ${count(erased.reports.length)} reports are gone for good, and ${count(erased.webhooks.length)} webhook endpoints are told nothing more.`,
    };
  },
});

const compare = action({
  path: "/accounts/reconcile",
  role: "admin",
  form: z.object({}),
  async act({ desk }) {
    const { accounts, entries, holds, problems } = await reconcile(desk.store);
    const looked = `${count(accounts)} accounts, ${count(entries)} rows and ${count(holds)} holds were compared`;
    if (problems.length === 0) return { said: `${looked}: every balance is the sum of its rows.` };
    return {
      shown: {
        title: "The books do not agree",
        nav: "credits",
        body: html`<h1>The books do not agree</h1>
          <p class="banner bad">
            ${looked}. Nothing was changed; a drift is a bug, and these lines are the evidence.
          </p>
          <ul>
            ${problems.slice(0, LEDGER_ROWS).map((problem) => html`<li>${problem}</li>`)}
          </ul>`,
      },
    };
  },
});

export const accountPages = [list, grantFirst, compare, show, grantTo, refund, endReview, erase];

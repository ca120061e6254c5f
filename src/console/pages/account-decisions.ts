/** What an admin may do about an account's credits, and about its texts: each once, however often the form is sent. */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { Problem } from "../../api/problems.ts";
import { formatCredits } from "../../domain/credits.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import { ACCOUNT_RULE, isAccount, isReportId } from "../../domain/ids.ts";
import { closeCreditReview, grantCredits, refundCredits } from "../../store/credits.ts";
import { eraseAccount } from "../../store/erase.ts";
import { reconcile } from "../../store/reconcile.ts";
import type { Store } from "../../store/redis.ts";
import { readReport } from "../../store/reports.ts";
import { eraseSpooled } from "../../workers/spool.ts";
import { form, why, whyField } from "../form.ts";
import { count } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { action, type Visit } from "../page.ts";

/** So many lines of evidence are shown. */
const MOST_PROBLEMS = 100;
const MOST_CREDITS = 1_000_000_000;

export const anAccount = z.object({ account: z.string().refine(isAccount, ACCOUNT_RULE) });
const credits = z.coerce
  .number("a number of credits")
  .pipe(z.int("whole credits").min(1, "1 credit or more").max(MOST_CREDITS));
const reference = z.string().trim().min(1).max(200);

export function decisions(visit: Visit, account: string, inReview: boolean): Html {
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
          ${whyField("why-erase", "they asked for it, ticket 812")}
          <button class="danger">Erase for good</button>`,
      )}
    </details>`;
}

export function grantForm(visit: Visit, account: string | null): Html {
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
  form: z.object({ confirm: z.string().trim(), why }),
  async act({ desk, by, params: { account } }, { confirm, why: because }) {
    if (confirm !== account)
      throw new Problem("invalid_input", "The name does not agree; nothing was erased.");
    const erased = await eraseAccount(desk.store, account, by, because);
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
            ${problems.slice(0, MOST_PROBLEMS).map((problem) => html`<li>${problem}</li>`)}
          </ul>`,
      },
    };
  },
});

export const accountDecisionPages = [grantFirst, compare, grantTo, refund, endReview, erase];

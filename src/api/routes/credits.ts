/** Accounts: what they have, what happened to it, and what a person gives or gives back. */
import { z } from "zod";
import { FleetError } from "../../domain/fleet-error.ts";
import { formatCredits } from "../../domain/credits.ts";
import {
  closeCreditReview,
  grantCredits,
  listAccounts,
  readBalance,
  readCreditReview,
  readLedgerAfter,
  refundCredits,
} from "../../store/credits.ts";
import { endReport } from "../../store/end-report.ts";
import { eraseAccount } from "../../store/erase.ts";
import { eraseSpooled } from "../../workers/spool.ts";
import { accountFor, decidedBy, ownReport } from "../own.ts";
import { cursorOf, offsetPage, pageOf, pageQuery, placeIn } from "../pages.ts";
import { route, type Route } from "../route.ts";
import { anId, Balance, Decision, decision, Ended, EpochMs, LedgerEntry } from "../schemas.ts";

const TAG = "Credits";
const MOST_CREDITS = 1_000_000_000;
const anAccount = z.object({ account: z.string().max(100) });
const amount = z.int().min(1).max(MOST_CREDITS);
const reference = z.string().trim().min(1).max(200).optional();

const list = route({
  method: "get",
  path: "/v1/accounts",
  summary: "List every account's balance",
  tag: TAG,
  scope: "credits",
  reach: "fleet",
  query: z.strictObject(pageQuery),
  answer: { status: 200, schema: pageOf(Balance), what: "A page of accounts by name" },
  async handle({ query }, desk) {
    const offset = Number(placeIn(query.cursor, /^\d{1,9}$/) ?? 0);
    const names = await listAccounts(desk.store);
    const page = offsetPage(names.slice(offset, offset + query.limit + 1), query.limit, offset);
    const data = await Promise.all(page.data.map((name) => readBalance(desk.store, name)));
    return { status: 200, body: { ...page, data } };
  },
});

const get = route({
  method: "get",
  path: "/v1/accounts/{account}",
  summary: "An account's balance",
  tag: TAG,
  scope: "credits",
  reach: "account",
  params: anAccount,
  answer: {
    status: 200,
    schema: Balance.extend({ creditReview: z.object({ because: z.string(), at: EpochMs }).nullable() }),
    what: "available + held + committed = deposits",
  },
  async handle({ caller, params }, desk) {
    const account = accountFor(caller, params.account);
    const creditReview = await readCreditReview(desk.store, account);
    return { status: 200, body: { ...(await readBalance(desk.store, account)), creditReview } };
  },
});

const ledger = route({
  method: "get",
  path: "/v1/accounts/{account}/ledger",
  summary: "Every change to an account's credits, the oldest first",
  tag: TAG,
  scope: "credits",
  reach: "account",
  params: anAccount,
  query: z.strictObject(pageQuery),
  answer: {
    status: 200,
    schema: pageOf(LedgerEntry),
    what: "Ids count up by one, and next_cursor is always there: ask again with it to follow the ledger",
  },
  async handle({ caller, params, query }, desk) {
    const account = accountFor(caller, params.account);
    const after = Number(placeIn(query.cursor, /^\d{1,12}$/) ?? 0);
    const data = await readLedgerAfter(desk.store, account, after, query.limit);
    return { status: 200, body: { data, next_cursor: cursorOf(data.at(-1)?.id ?? after) } };
  },
});

const grant = route({
  method: "post",
  path: "/v1/accounts/{account}/grants",
  summary: "Add credits to an account",
  tag: TAG,
  scope: "credits",
  reach: "fleet",
  params: anAccount,
  idempotent: true,
  body: {
    schema: z.strictObject({ ...decision, credits: amount, reference }),
    example: { credits: 100, why: "invoice 2026-17 is paid" },
  },
  answer: { status: 201, schema: Balance, what: "The new balance" },
  async handle({ caller, params, body, idempotencyKey }, desk) {
    const account = accountFor(caller, params.account);
    const known = body.reference ?? idempotencyKey ?? "";
    const by = decidedBy(caller, body.by);
    const granted = await grantCredits(desk.store, {
      account,
      credits: body.credits,
      reference: known,
      by,
      why: body.why,
    });
    if (granted.outcome === "conflict")
      throw new FleetError(
        "idempotency_conflict",
        `This reference already granted ${formatCredits(granted.grantedBefore)}. Use a new one for a new grant.`,
      );
    return { status: 201, body: await readBalance(desk.store, account) };
  },
});

const refund = route({
  method: "post",
  path: "/v1/reports/{id}/refunds",
  summary: "Give back credits that were charged for a delivered report",
  tag: TAG,
  scope: "credits",
  reach: "fleet",
  params: anId,
  idempotent: true,
  body: {
    schema: z.strictObject({ ...decision, credits: amount, reference }),
    example: { credits: 2, why: "a section was of no use to the customer" },
  },
  answer: { status: 201, schema: Balance, what: "The account's new balance" },
  async handle({ caller, params, body, idempotencyKey }, desk) {
    const { report } = await ownReport(desk.store, caller, params.id);
    const refunded = await refundCredits(desk.store, {
      report: report.id,
      account: report.account,
      credits: body.credits,
      reference: body.reference ?? idempotencyKey ?? "",
      by: decidedBy(caller, body.by),
      why: body.why,
    });
    if (refunded.outcome === "exceeds")
      throw new FleetError(
        "not_allowed",
        `${formatCredits(refunded.left)} of it are charged and not refunded yet.`,
      );
    if (refunded.outcome === "conflict")
      throw new FleetError("idempotency_conflict", "This reference already refunded something else.");
    if (refunded.outcome === "no_report") throw new FleetError("not_found", "There is no such report.");
    return { status: 201, body: await readBalance(desk.store, report.account) };
  },
});

const reverse = route({
  method: "post",
  path: "/v1/reports/{id}/reverse",
  summary: "Give the credits held for a report back; without them it ends as failed",
  tag: TAG,
  scope: "credits",
  reach: "fleet",
  params: anId,
  body: { schema: Decision, example: { why: "ordered by mistake" } },
  answer: { status: 200, schema: Ended, what: "It has ended, or had before" },
  async handle({ caller, params, body }, desk) {
    const { report } = await ownReport(desk.store, caller, params.id);
    const decided = { because: body.why, by: decidedBy(caller, body.by) };
    const ended = await endReport(desk.store, report, { status: "failed", ...decided });
    if (ended.outcome === "superseded" || ended.outcome === "gone")
      throw new FleetError("stale_version", "The report moved just now; look at it and decide again.");
    const repeated = ended.outcome === "ended_before";
    if (repeated && ended.status === "completed")
      throw new FleetError(
        "not_allowed",
        "It is delivered, so its credits are charged, not held; refund them.",
      );
    return { status: 200, body: { report: report.id, status: ended.status, repeated } };
  },
});

const endReview = route({
  method: "post",
  path: "/v1/accounts/{account}/end-credit-review",
  summary: "Let an account's reports be run again after paid failure had repeated",
  tag: TAG,
  scope: "credits",
  reach: "fleet",
  params: anAccount,
  body: { schema: Decision, example: { why: "their data is mended" } },
  answer: { status: 200, schema: Balance, what: "It has ended, or there was none" },
  async handle({ caller, params, body }, desk) {
    const account = accountFor(caller, params.account);
    await closeCreditReview(desk.store, account, decidedBy(caller, body.by), body.why);
    return { status: 200, body: await readBalance(desk.store, account) };
  },
});

const erase = route({
  method: "delete",
  path: "/v1/accounts/{account}",
  summary: "Erase an account's reports and webhook endpoints; balance and ledger stay",
  tag: TAG,
  scope: "admin",
  reach: "fleet",
  params: anAccount,
  answer: {
    status: 200,
    schema: z.object({
      account: z.string(),
      erasedReports: z.array(z.string()),
      removedWebhooks: z.array(z.string()),
    }),
    what: "What was erased; those that were not over are cancelled first",
  },
  async handle({ caller, params }, desk) {
    const account = accountFor(caller, params.account);
    const erased = await eraseAccount(desk.store, account, decidedBy(caller, undefined));
    eraseSpooled(desk.spoolDir, erased.reports);
    const body = { account, erasedReports: erased.reports, removedWebhooks: erased.webhooks };
    return { status: 200, body };
  },
});

export const creditRoutes: readonly Route[] = [list, get, ledger, grant, refund, reverse, endReview, erase];

/** Order a report, find it, correct it, end it. */
import { z } from "zod";
import { PRIORITIES } from "../../domain/fairness.ts";
import { REPORT_STATUSES } from "../../domain/report.ts";
import type { ReportId } from "../../domain/ids.ts";
import { completeRest } from "../../desk/complete-rest.ts";
import { correctSource } from "../../desk/correct-source.ts";
import { cancelReport } from "../../desk/end-by-person.ts";
import { previewCorrection } from "../../desk/preview.ts";
import { reportRow, reportView, readSnapshot, snapshotOf } from "../../producer/report-view.ts";
import { submitReport } from "../../producer/submit-report.ts";
import { HARD_MAX_SOURCE_BYTES } from "../../report-types/define-report.ts";
import { eraseReport } from "../../store/erase.ts";
import { listReports } from "../../store/reports.ts";
import { eraseSpooled } from "../../workers/spool.ts";
import { viewFor } from "../for-buyer.ts";
import { accountFor, decidedBy, filterFor, ownIdOrTombstone, ownReport } from "../own.ts";
import { cursorOf, pageOf, pageQuery, placeIn } from "../pages.ts";
import { route, type Route } from "../route.ts";
import {
  anId,
  Decision,
  decision,
  Ended,
  EpochMs,
  Preview,
  ReportRow,
  ReportView,
  Ruled,
  Submitted,
} from "../schemas.ts";

/** The source and what stands around it. */
const SOURCE_BODY_BYTES = HARD_MAX_SOURCE_BYTES + 64 * 1_024;
const TAG = "Reports";

const submit = route({
  method: "post",
  path: "/v1/reports",
  summary: "Order a report",
  tag: TAG,
  scope: "reports:write",
  reach: "account",
  idempotent: true,
  body: {
    schema: z.strictObject({
      type: z.string().max(100),
      source: z.unknown(),
      account: z.string().max(100).optional(),
      again: z.boolean().optional(),
      priority: z.enum(PRIORITIES).optional(),
      deliverBy: EpochMs.optional(),
      tags: z.record(z.string().max(100), z.string().max(500)).optional(),
      callback: z.string().max(2_048).optional(),
    }),
    example: { type: "topic-report", source: { topic: "The return of the night train" } },
    maxBytes: SOURCE_BODY_BYTES,
  },
  answer: { status: 202, schema: Submitted, what: "It is in the books and will be written" },
  async handle({ caller, body, idempotencyKey }, desk) {
    const submitted = await submitReport(desk, {
      ...body,
      account: accountFor(caller, body.account),
      idempotencyKey: idempotencyKey ?? undefined,
    });
    const { id, repeated, openOrder } = submitted;
    const row = reportRow(await readSnapshot(desk.store, id));
    return {
      status: 202,
      headers: { Location: `/v1/reports/${id}`, ...(repeated ? { "Idempotency-Replayed": "true" } : {}) },
      body: { ...row, repeated, openOrder },
    };
  },
});

const list = route({
  method: "get",
  path: "/v1/reports",
  summary: "List reports, the newest first",
  tag: TAG,
  scope: "reports:read",
  reach: "account",
  query: z.strictObject({
    ...pageQuery,
    account: z.string().max(100).optional(),
    type: z.string().max(100).optional(),
    status: z.enum(REPORT_STATUSES).optional(),
  }),
  answer: { status: 200, schema: pageOf(ReportRow), what: "A page of reports" },
  async handle({ caller, query }, desk) {
    const { limit, type, status } = query;
    const [createdAt, id] = placeIn(query.cursor, /^\d{1,16} rp-[0-9a-z]{25}$/)?.split(" ") ?? [];
    const after = createdAt === undefined ? undefined : { createdAt: Number(createdAt), id: id as ReportId };
    const account = filterFor(caller, query.account);
    const found = await listReports(desk.store, { account, type, status, after, limit: limit + 1 });
    const data = [];
    for (const stored of found.slice(0, limit)) data.push(reportRow(await snapshotOf(desk.store, stored)));
    const last = data.at(-1);
    const more = found.length > limit && last !== undefined;
    return {
      status: 200,
      body: { data, next_cursor: more ? cursorOf(`${last.createdAt} ${last.id}`) : null },
    };
  },
});

const get = route({
  method: "get",
  path: "/v1/reports/{id}",
  summary: "How far a report is, what it cost and why it waits",
  tag: TAG,
  scope: "reports:read",
  reach: "account",
  params: anId,
  answer: { status: 200, schema: ReportView, what: "The report with its sections, without texts" },
  async handle({ caller, params }, desk) {
    const stored = await ownReport(desk.store, caller, params.id);
    return { status: 200, body: viewFor(caller, reportView(await snapshotOf(desk.store, stored))) };
  },
});

const cancel = route({
  method: "post",
  path: "/v1/reports/{id}/cancel",
  summary: "Cancel a report before delivery; its credits go back",
  tag: TAG,
  scope: "reports:write",
  reach: "account",
  params: anId,
  body: { schema: Decision, example: { why: "the customer has changed their mind" } },
  answer: { status: 200, schema: Ended, what: "It is cancelled, or was before" },
  async handle({ caller, params, body }, desk) {
    const { report } = await ownReport(desk.store, caller, params.id);
    const ruling = { by: decidedBy(caller, body.by), why: body.why };
    return { status: 200, body: await cancelReport(desk, report.id, ruling) };
  },
});

const correct = route({
  method: "post",
  path: "/v1/reports/{id}/correct-source",
  summary: "Send corrected data; what is not touched by it is not paid again",
  tag: TAG,
  scope: "reports:write",
  reach: "account",
  params: anId,
  body: {
    schema: z.strictObject({ ...decision, source: z.unknown() }),
    example: { source: { topic: "The return of the night train" }, why: "a typing error" },
    maxBytes: SOURCE_BODY_BYTES,
  },
  answer: {
    status: 200,
    schema: Ruled.extend({ kept: z.array(z.string()) }),
    what: "What is kept",
  },
  async handle({ caller, params, body, idempotencyKey }, desk) {
    const { report } = await ownReport(desk.store, caller, params.id);
    const ruling = {
      by: decidedBy(caller, body.by),
      why: body.why,
      operation: operationOf(report.id, idempotencyKey),
    };
    return { status: 200, body: await correctSource(desk, report.id, body.source, ruling) };
  },
  dryRun: {
    schema: Preview,
    async show({ caller, params, body }, desk) {
      const { report } = await ownReport(desk.store, caller, params.id);
      return previewCorrection(desk, report.id, body.source);
    },
  },
});

const complete = route({
  method: "post",
  path: "/v1/reports/{id}/complete",
  summary: "Have the missing parts of a partly delivered report written, for the rest of its price",
  tag: TAG,
  scope: "reports:write",
  reach: "account",
  params: anId,
  body: { schema: Decision, example: { why: "the customer wants the rest as well" } },
  answer: {
    status: 202,
    schema: z.object({ report: z.string(), run: z.int(), credits: z.int() }),
    what: "The rest is held for and will be written; what was delivered stays delivered",
  },
  async handle({ caller, params, body }, desk) {
    const { report } = await ownReport(desk.store, caller, params.id);
    const decided = { by: decidedBy(caller, body.by), why: body.why };
    return { status: 202, body: await completeRest(desk, report.id, decided) };
  },
});

const erase = route({
  method: "delete",
  path: "/v1/reports/{id}",
  summary: "Erase a report: every text of it goes, its place in the books stays",
  tag: TAG,
  scope: "reports:write",
  reach: "account",
  params: anId,
  answer: { status: 204, what: "It is erased, or was before; one that was not over is cancelled first" },
  async handle({ caller, params }, desk) {
    const id = await ownIdOrTombstone(desk.store, caller, params.id);
    await eraseReport(desk.store, id, decidedBy(caller, undefined));
    eraseSpooled(desk.spoolDir, [id]);
    return { status: 204 };
  },
});

/** One key is one decision about one report; without a key each request is a decision of its own. */
function operationOf(id: ReportId, idempotencyKey: string | null): string | undefined {
  return idempotencyKey === null ? undefined : `${id}/${idempotencyKey}`;
}

export const reportRoutes: readonly Route[] = [submit, list, get, cancel, correct, complete, erase];

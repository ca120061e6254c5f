/** Order a report, follow it, read it, end it. */
import { z } from "zod";
import { PRIORITIES } from "../../domain/fairness.ts";
import { REPORT_STATUSES } from "../../domain/report.ts";
import type { ReportId } from "../../domain/ids.ts";
import { ACTIONS } from "../../domain/review.ts";
import { completeRest } from "../../desk/complete-rest.ts";
import { correctSource } from "../../desk/correct-source.ts";
import { cancelReport } from "../../desk/end-by-person.ts";
import { explainReport } from "../../desk/explain.ts";
import { previewCorrection } from "../../desk/preview.ts";
import { readDocument } from "../../producer/read-document.ts";
import { FORMATS, renderArtefact } from "../../producer/render-artefact.ts";
import {
  editsOf,
  reportRow,
  reportView,
  readSnapshot,
  sentenceOf,
  snapshotOf,
} from "../../producer/report-view.ts";
import { submitReport } from "../../producer/submit-report.ts";
import { HARD_MAX_SOURCE_BYTES } from "../../report-types/define-report.ts";
import { eraseReport } from "../../store/erase.ts";
import { listReports } from "../../store/reports.ts";
import { readReceipt } from "../../store/receipt.ts";
import { readOutput } from "../../store/read-sections.ts";
import { eraseSpooled } from "../../workers/spool.ts";
import { accountFor, decidedBy, filterFor, ownReport, ownTombstone } from "../own.ts";
import { cursorOf, pageOf, pageQuery, placeIn } from "../pages.ts";
import { Problem } from "../problems.ts";
import { route, type Route } from "../route.ts";
import {
  anId,
  CaseView,
  Decision,
  decision,
  Ended,
  EpochMs,
  Micros,
  Preview,
  ReportRow,
  ReportView,
  Ruled,
  SectionText,
  Submitted,
} from "../schemas.ts";
import { streamReport } from "../stream-report.ts";

/** The source and what stands around it. */
const SOURCE_BODY_BYTES = HARD_MAX_SOURCE_BYTES + 64 * 1_024;
const TAG = "Reports";
const CONTENT_TYPES = {
  md: "text/markdown; charset=utf-8",
  html: "text/html; charset=utf-8",
  json: "application/json; charset=utf-8",
} as const;

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
    return { status: 200, body: reportView(await snapshotOf(desk.store, stored)) };
  },
});

const section = route({
  method: "get",
  path: "/v1/reports/{id}/sections/{key}",
  summary: "Read a section as soon as it is finished",
  tag: TAG,
  scope: "reports:read",
  reach: "account",
  params: z.object({ id: z.string().max(200), key: z.string().max(200) }),
  answer: { status: 200, schema: SectionText, what: "The section's output" },
  async handle({ caller, params }, desk) {
    const stored = await ownReport(desk.store, caller, params.id);
    const snapshot = await snapshotOf(desk.store, stored);
    const { id, status } = stored.report;
    const found = snapshot.sections.find(({ key }) => key === params.key);
    if (found === undefined)
      throw new Problem("not_found", "The report has no such section, or is not planned yet.");
    if (found.status !== "completed")
      throw new Problem(
        "not_deliverable",
        `The section is ${found.status.replaceAll("_", " ")}. ${sentenceOf(snapshot)}`,
      );
    const read = await readOutput(desk.store, id, found.key);
    if (!read.ok) throw new Problem("not_deliverable", `The section cannot be read: ${read.because}.`);
    const { key, title, unreviewed } = found;
    const body = {
      id,
      section: key,
      title,
      delivered: status === "completed",
      unreviewed,
      output: read.output,
    };
    return { status: 200, body };
  },
});

const output = route({
  method: "get",
  path: "/v1/reports/{id}/output",
  summary: "The document of a delivered report",
  tag: TAG,
  scope: "reports:read",
  reach: "account",
  params: anId,
  query: z.strictObject({ format: z.enum(FORMATS).default("md") }),
  answer: {
    status: 200,
    types: ["text/markdown", "text/html", "application/json"],
    what: "Markdown, a self-contained HTML page, or JSON with the receipt",
  },
  async handle({ caller, params, query }, desk) {
    const { report } = await ownReport(desk.store, caller, params.id);
    const document = await readDocument(desk.store, report.id, (type) => desk.types.get(type));
    const text = renderArtefact(document, query.format);
    return { status: 200, text, contentType: CONTENT_TYPES[query.format] };
  },
});

const events = route({
  method: "get",
  path: "/v1/reports/{id}/events",
  summary: "Follow a report live, by server-sent events",
  tag: TAG,
  scope: "reports:read",
  reach: "account",
  params: anId,
  answer: {
    status: 200,
    types: ["text/event-stream"],
    what: "Resumed by Last-Event-ID; 204 once nothing more will come",
  },
  async handle({ caller, params, lastEventId }, desk) {
    const stored = await ownReport(desk.store, caller, params.id);
    return streamReport(desk, caller, stored, lastEventId);
  },
});

const receipt = route({
  method: "get",
  path: "/v1/reports/{id}/receipt",
  summary: "Every request made for a report, what it cost and what became of it",
  tag: TAG,
  scope: "reports:read",
  reach: "account",
  params: anId,
  answer: {
    status: 200,
    schema: z.object({
      id: z.string(),
      artefactHash: z.string().nullable(),
      edits: z.array(
        z.object({ section: z.string(), by: z.string().optional(), why: z.string().optional() }),
      ),
      calls: z.array(
        z.object({
          section: z.string(),
          call: z.string(),
          model: z.string(),
          micros: Micros,
          outcome: z.string(),
        }),
      ),
    }),
    what: "The receipt",
  },
  async handle({ caller, params }, desk) {
    const stored = await ownReport(desk.store, caller, params.id);
    const { report, delivered } = stored;
    const { calls, ...sums } = await readReceipt(desk.store, report.id);
    const { sections } = await snapshotOf(desk.store, stored);
    // Who edited and why is the seller's business.
    const edits = editsOf(sections).map((edit) =>
      caller.account === null ? edit : { section: edit.section },
    );
    // A route names our provider's host and the hash of our key, which is nothing of the buyer's.
    const shown = calls.map(({ route: via, ...call }) =>
      caller.account === null ? { ...call, route: via } : call,
    );
    const artefactHash = delivered?.artefactHash ?? null;
    return { status: 200, body: { id: report.id, artefactHash, edits, ...sums, calls: shown } };
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

const explain = route({
  method: "get",
  path: "/v1/reports/{id}/explanation",
  summary: "One answer for support: what happened, why, what it cost, and what may be done now",
  tag: TAG,
  scope: "reviews",
  reach: "account",
  params: anId,
  answer: {
    status: 200,
    schema: z.object({
      id: z.string(),
      sentence: z.string(),
      timeline: z.array(z.object({ at: EpochMs, what: z.string() })),
      cases: z.array(CaseView),
      actions: z.array(z.enum(ACTIONS)),
    }),
    what: "Timeline, cases, decisions, spend, credits and possible actions",
  },
  async handle({ caller, params }, desk) {
    const { report } = await ownReport(desk.store, caller, params.id);
    const { stored: _stored, ...explained } = await explainReport(desk.store, report.id);
    return { status: 200, body: { id: report.id, ...explained } };
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
    const { report } = await ownReport(desk.store, caller, params.id).catch(async (refused: unknown) => {
      // Repeating it is no error for whoever erased it.
      return {
        report: {
          id: await ownTombstone(desk.store, caller, params.id).catch(() => Promise.reject(refused)),
        },
      };
    });
    await eraseReport(desk.store, report.id, decidedBy(caller, undefined));
    eraseSpooled(desk.spoolDir, [report.id]);
    return { status: 204 };
  },
});

/** One key is one decision about one report; without a key each request is a decision of its own. */
function operationOf(id: ReportId, idempotencyKey: string | null): string | undefined {
  return idempotencyKey === null ? undefined : `${id}/${idempotencyKey}`;
}

export const reportRoutes: readonly Route[] = [
  submit,
  list,
  get,
  section,
  output,
  events,
  receipt,
  cancel,
  correct,
  complete,
  explain,
  erase,
];

/** What is written of a report, what it cost, and what became of it. */
import { z } from "zod";
import { ACTIONS } from "../../domain/review.ts";
import { explainReport } from "../../desk/explain.ts";
import { readDocument } from "../../producer/read-document.ts";
import { FORMATS, renderArtefact } from "../../producer/render-artefact.ts";
import { editsOf, sentenceOf, snapshotOf } from "../../producer/report-view.ts";
import { readReceipt } from "../../store/receipt.ts";
import { readOutput } from "../../store/read-sections.ts";
import { callFor, editFor } from "../for-buyer.ts";
import { ownReport } from "../own.ts";
import { Problem } from "../problems.ts";
import { route, type Route } from "../route.ts";
import { anId, CaseView, EpochMs, Micros, SectionText } from "../schemas.ts";
import { streamReport } from "../stream-report.ts";

const TAG = "Reports";
const CONTENT_TYPES = {
  md: "text/markdown; charset=utf-8",
  html: "text/html; charset=utf-8",
  json: "application/json; charset=utf-8",
} as const;

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
    const edits = editsOf(sections).map((edit) => editFor(caller, edit));
    const shown = calls.map((call) => callFor(caller, call));
    const artefactHash = delivered?.artefactHash ?? null;
    return { status: 200, body: { id: report.id, artefactHash, edits, ...sums, calls: shown } };
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

export const reportContentRoutes: readonly Route[] = [section, output, events, receipt, explain];

/** What waits for a person: cases, what may be done about each, and what it would cost. */
import { z } from "zod";
import { DEFAULT_PROMPT, PROMPTS, type ReviewCase } from "../../domain/review.ts";
import { readCaseFile, readCaseTexts, type CaseFile } from "../../desk/case-file.ts";
import {
  acceptEdited,
  resumeCase,
  revalidateCase,
  skipSection,
  type Ruling,
} from "../../desk/decide-case.ts";
import { deliverPartial } from "../../desk/deliver-partial.ts";
import { rejectReport } from "../../desk/end-by-person.ts";
import { possibleActions } from "../../desk/possible-actions.ts";
import {
  previewAccepted,
  previewPartial,
  previewReject,
  previewResume,
  previewRevalidation,
  previewSkip,
} from "../../desk/preview.ts";
import { addNote, listCases } from "../../store/cases.ts";
import type { Store } from "../../store/redis.ts";
import { readReport, readSections } from "../../store/reports.ts";
import { tagOf, versionIn } from "../case-version.ts";
import { decidedBy, filterFor, ownCase, ownReport } from "../own.ts";
import { offsetPage, pageOf, pageQuery, placeIn } from "../pages.ts";
import { Problem } from "../problems.ts";
import { route, type Asked, type Route } from "../route.ts";
import { anId, CaseDetail, CaseView, Decision, decision, Ended, Preview, Ruled } from "../schemas.ts";

const TAG = "Reviews";
const EDITED_BYTES = 1_048_576;

const list = route({
  method: "get",
  path: "/v1/reviews",
  summary: "List review cases: the open ones, or all of one report",
  tag: TAG,
  scope: "reviews",
  reach: "account",
  query: z.strictObject({
    ...pageQuery,
    account: z.string().max(100).optional(),
    report: z.string().max(100).optional(),
    group: z.string().max(300).optional(),
  }),
  answer: { status: 200, schema: pageOf(CaseView), what: "A page of cases, the oldest first" },
  async handle({ caller, query }, desk) {
    const { limit, group } = query;
    const report =
      query.report === undefined ? undefined : (await ownReport(desk.store, caller, query.report)).report.id;
    const account = filterFor(caller, query.account);
    const offset = Number(placeIn(query.cursor, /^\d{1,9}$/) ?? 0);
    const found = await listCases(desk.store, { report, group, account, limit: offset + limit + 1 });
    const page = offsetPage(found.slice(offset), limit, offset);
    const data = await Promise.all(page.data.map((one) => viewOf(desk.store, one)));
    return { status: 200, body: { ...page, data } };
  },
});

const get = route({
  method: "get",
  path: "/v1/reviews/{id}",
  summary: "One case with its evidence, its notes and what may be done now",
  tag: TAG,
  scope: "reviews",
  reach: "account",
  params: anId,
  answer: {
    status: 200,
    schema: CaseDetail,
    what: "The case; its ETag is what a decision sends as If-Match",
  },
  async handle({ caller, params }, desk) {
    const found = await ownCase(desk.store, caller, params.id);
    const file = await readCaseFile(desk.store, found);
    const { report } = file.stored;
    const { actions, notes } = file;
    const credits = { amount: report.credits, state: report.hold };
    const texts = caller.account === null ? await readTexts(desk.store, file) : {};
    const body = { ...found, actions, credits, spend: report.spend, notes, ...texts };
    return { status: 200, headers: { ETag: tagOf(found) }, body };
  },
});

const note = route({
  method: "post",
  path: "/v1/reviews/{id}/notes",
  summary: "Leave a note for the next person",
  tag: TAG,
  scope: "reviews",
  reach: "account",
  params: anId,
  body: {
    schema: z.strictObject({ text: z.string().trim().min(1).max(2_000), by: decision.by }),
    example: { text: "asked the prompt's author" },
  },
  answer: { status: 201, schema: z.object({ by: z.string(), text: z.string() }), what: "It is there" },
  async handle({ caller, params, body }, desk) {
    const found = await ownCase(desk.store, caller, params.id);
    const left = { by: decidedBy(caller, body.by), text: body.text };
    if ((await addNote(desk.store, found.id, left)) === "full")
      throw new Problem("not_allowed", "The case has as many notes as it may.");
    return { status: 201, body: left };
  },
});

const resume = route({
  method: "post",
  path: "/v1/reviews/{id}/resume",
  summary: "Ask the failed call again, with the prompt that failed or with today's",
  tag: TAG,
  scope: "reviews",
  reach: "account",
  params: anId,
  ifMatch: true,
  body: {
    schema: z.strictObject({ ...decision, prompt: z.enum(PROMPTS).default(DEFAULT_PROMPT) }),
    example: { why: "the provider had an outage", prompt: "stored" },
  },
  answer: { status: 200, schema: Ruled, what: "The decision" },
  async handle(asked, desk) {
    const found = await ownCase(desk.store, asked.caller, asked.params.id);
    return { status: 200, body: await resumeCase(desk, found.id, rulingOf(asked, found), asked.body.prompt) };
  },
  dryRun: {
    schema: Preview,
    async show({ caller, params, body }, desk) {
      const found = await ownCase(desk.store, caller, params.id);
      return previewResume(desk, found.id, body.prompt);
    },
  },
});

const revalidate = route({
  method: "post",
  path: "/v1/reviews/{id}/revalidate",
  summary: "Judge the stored answer by today's parser, at no cost",
  tag: TAG,
  scope: "reviews",
  reach: "account",
  params: anId,
  ifMatch: true,
  body: { schema: Decision, example: { why: "the parser is mended" } },
  answer: { status: 200, schema: Ruled, what: "The decision" },
  async handle(asked, desk) {
    const found = await ownCase(desk.store, asked.caller, asked.params.id);
    return { status: 200, body: await revalidateCase(desk, found.id, rulingOf(asked, found)) };
  },
  dryRun: {
    schema: Preview,
    async show({ caller, params }, desk) {
      const found = await ownCase(desk.store, caller, params.id);
      return previewRevalidation(desk, found.id);
    },
  },
});

const accept = route({
  method: "post",
  path: "/v1/reviews/{id}/accept",
  summary: "Put a person's text in place of the failed section",
  tag: TAG,
  scope: "reviews",
  reach: "account",
  params: anId,
  ifMatch: true,
  body: {
    schema: z.strictObject({ ...decision, output: z.unknown() }),
    example: { why: "written by hand", output: "The text of the section." },
    maxBytes: EDITED_BYTES,
  },
  answer: { status: 200, schema: Ruled, what: "It is taken; the delivered report says that it was edited" },
  async handle(asked, desk) {
    const found = await ownCase(desk.store, asked.caller, asked.params.id);
    return {
      status: 200,
      body: await acceptEdited(desk, found.id, asked.body.output, rulingOf(asked, found)),
    };
  },
  dryRun: {
    schema: Preview,
    async show({ caller, params, body }, desk) {
      const found = await ownCase(desk.store, caller, params.id);
      return previewAccepted(desk, found.id, body.output);
    },
  },
});

const skip = route({
  method: "post",
  path: "/v1/reviews/{id}/skip",
  summary: "Go on without the section",
  tag: TAG,
  scope: "reviews",
  reach: "account",
  params: anId,
  ifMatch: true,
  body: { schema: Decision, example: { why: "the customer can do without it" } },
  answer: { status: 200, schema: Ruled, what: "It is skipped, and what cannot do without it" },
  async handle(asked, desk) {
    const found = await ownCase(desk.store, asked.caller, asked.params.id);
    return { status: 200, body: await skipSection(desk, found.id, rulingOf(asked, found)) };
  },
  dryRun: {
    schema: Preview,
    async show({ caller, params }, desk) {
      const found = await ownCase(desk.store, caller, params.id);
      return previewSkip(desk, found.id);
    },
  },
});

const partial = route({
  method: "post",
  path: "/v1/reviews/{id}/deliver-partial",
  summary: "Deliver what is written of the report, and charge for that",
  tag: TAG,
  scope: "reviews",
  reach: "account",
  params: anId,
  ifMatch: true,
  body: { schema: Decision, example: { why: "agreed with the customer" } },
  answer: { status: 200, schema: Ruled, what: "It is being put together" },
  async handle(asked, desk) {
    const found = await ownCase(desk.store, asked.caller, asked.params.id);
    const { version: _seen, ...ruling } = stillAsSeen(rulingOf(asked, found), found);
    return { status: 200, body: await deliverPartial(desk, found.report, ruling) };
  },
  dryRun: {
    schema: Preview,
    async show({ caller, params }, desk) {
      const found = await ownCase(desk.store, caller, params.id);
      return previewPartial(desk, found.report);
    },
  },
});

const reject = route({
  method: "post",
  path: "/v1/reviews/{id}/reject",
  summary: "Give the report up; its credits go back",
  tag: TAG,
  scope: "reviews",
  reach: "account",
  params: anId,
  ifMatch: true,
  body: { schema: Decision, example: { why: "nothing can be done about it" } },
  answer: { status: 200, schema: Ended, what: "It has ended" },
  async handle(asked, desk) {
    const found = await ownCase(desk.store, asked.caller, asked.params.id);
    return {
      status: 200,
      body: await rejectReport(desk, found.report, stillAsSeen(rulingOf(asked, found), found)),
    };
  },
  dryRun: {
    schema: Preview,
    async show({ caller, params }, desk) {
      const found = await ownCase(desk.store, caller, params.id);
      return previewReject(desk, found.report);
    },
  },
});

function rulingOf(asked: Asked<unknown, unknown, z.output<typeof Decision>>, found: ReviewCase): Ruling {
  const { caller, body, ifMatch, idempotencyKey } = asked;
  return {
    by: decidedBy(caller, body.by),
    why: body.why,
    version: versionIn(ifMatch),
    operation: idempotencyKey === null ? undefined : `${found.id}/${idempotencyKey}`,
  };
}

/** For decisions about the whole report, which know no version of a case; the report's own status is checked again. */
function stillAsSeen(ruling: Ruling, found: ReviewCase): Ruling {
  if (ruling.version !== undefined && ruling.version !== found.version)
    throw new Problem(
      "precondition_failed",
      "The case has changed since you looked at it. Look at it again.",
    );
  return ruling;
}

async function readTexts(store: Store, file: CaseFile) {
  const { question, takes } = await readCaseTexts(store, file);
  return {
    question: question === null ? null : { ...question, messages: [...question.messages] },
    rawOutput: takes[0]?.answer.text ?? null,
  };
}

async function viewOf(store: Store, found: ReviewCase) {
  const stored = found.state.status === "open" ? await readReport(store, found.report) : null;
  if (stored === null) return { ...found, actions: [] };
  const sections = await readSections(store, found.report, stored.plan ?? []);
  return { ...found, actions: possibleActions(found, stored.report.status, sections) };
}

export const reviewRoutes: readonly Route[] = [
  list,
  get,
  note,
  resume,
  revalidate,
  accept,
  skip,
  partial,
  reject,
];

/** Everything a person needs to understand one parked failure, read at once: what was asked, what came back, what it cost. */
import type { Answer, TakeState } from "../domain/call.ts";
import type { ReportId } from "../domain/ids.ts";
import type { Action, ReviewCase } from "../domain/review.ts";
import type { Section } from "../domain/report.ts";
import { isCutByLength } from "../classifier/salvage.ts";
import { listCases, readNotes, readQuestion, type AskedQuestion, type Note } from "../store/cases.ts";
import { readReceipt, type ReceiptLine } from "../store/receipt.ts";
import type { Store } from "../store/redis.ts";
import { readSections, readSource, type StoredReport } from "../store/reports.ts";
import { readAnswer } from "../store/takes.ts";
import { failingPlace, type FailingPlace } from "./failing-place.ts";
import { requireReport } from "./material.ts";
import { possibleActions } from "./possible-actions.ts";

export interface CaseFile {
  found: ReviewCase;
  stored: StoredReport;
  sections: Section[];
  /** What may be done about it now, the cheapest first. */
  actions: Action[];
  /** Requests of its section, in the order they were made. */
  asked: ReceiptLine[];
  /** The report's other cases, the newest first: earlier troubles, and what was decided about them. */
  others: ReviewCase[];
  notes: Note[];
}

/** What the customer sent and a model wrote; not for everybody's eyes. */
export interface CaseTexts {
  question: AskedQuestion | null;
  /** Answers to the question, the newest first; the first is the one that failed. */
  takes: { take: number; state: TakeState; answer: Answer }[];
  place: FailingPlace | null;
  /** The order's data, as JSON laid out for a person; null where it is too large for a page, or damaged. */
  source: string | null;
}

const MOST_OTHERS = 20;
const MOST_TAKES = 5;
/** Larger data is corrected with the command line, from a file. */
const LARGEST_SOURCE_BYTES = 262_144;

export async function readCaseFile(store: Store, found: ReviewCase): Promise<CaseFile> {
  const stored = await requireReport(store, found.report);
  const [sections, receipt, others, notes] = await Promise.all([
    readSections(store, found.report, stored.plan ?? []),
    readReceipt(store, found.report),
    listCases(store, { report: found.report, limit: MOST_OTHERS }),
    readNotes(store, found.id),
  ]);
  return {
    found,
    stored,
    sections,
    actions: possibleActions(found, stored.report.status, sections),
    asked: receipt.calls.filter(({ section }) => found.section === null || section === found.section),
    others: others.filter(({ id }) => id !== found.id).toReversed(),
    notes,
  };
}

export async function readCaseTexts(store: Store, { found, stored }: CaseFile): Promise<CaseTexts> {
  const { callKey, take, path } = found.evidence;
  const { report } = stored;
  const [question, takes, source] = await Promise.all([
    readQuestion(store, found.id),
    callKey === null || take === null ? [] : readTakes(store, found.report, callKey, take),
    report.sourceBytes > LARGEST_SOURCE_BYTES
      ? null
      : readSource(store, report.account, report.sourceHash).then((read) =>
          read.ok ? JSON.stringify(JSON.parse(read.canonical), null, 2) : null,
        ),
  ]);
  const [failed] = takes;
  return {
    question,
    takes,
    place:
      failed === undefined
        ? null
        : failingPlace({ text: failed.answer.text, path, cut: isCutByLength(failed.answer.finishReason) }),
    source,
  };
}

async function readTakes(
  store: Store,
  report: ReportId,
  callKey: string,
  newest: number,
): Promise<CaseTexts["takes"]> {
  const numbers = Array.from({ length: Math.min(newest, MOST_TAKES) }, (_, back) => newest - back);
  const takes = await Promise.all(
    numbers.map(async (take) => ({ take, answer: await readAnswer(store, report, callKey, take) })),
  );
  // Whatever was answered before a case was opened is rejected by then.
  return takes.flatMap(({ take, answer }) =>
    answer === null ? [] : [{ take, state: "rejected" as const, answer }],
  );
}

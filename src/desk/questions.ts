/**
 * What was asked, of calls whose question is not kept. A call key holds the hash of its question, so whatever today's code
 * renders under the very key of a stored answer is, word for word, what was asked. Where a prompt was changed since, the
 * key differs and nothing is shown; only the question of a failed call is kept itself, with its case.
 */
import type { AskedQuestion } from "../store/cases.ts";
import { PLANNING } from "../domain/report.ts";
import { authorOf } from "../workers/section-author.ts";
import type { Counter } from "../producer/submit-report.ts";
import type { StoredReport } from "../store/reports.ts";
import { materialFor, shelfOf } from "./material.ts";
import { rehearse } from "./rehearse.ts";

/** A person waits for the page. */
const LONGEST_MS = 2_000;

/** By call key. Authors' code runs for it as in a dry run, and nothing of it is stored or paid. */
export async function renderQuestions(
  desk: Counter,
  stored: StoredReport,
): Promise<ReadonlyMap<string, AskedQuestion>> {
  const { report, plan } = stored;
  const found = new Map<string, AskedQuestion>();
  const type = desk.types.get(report.type);
  if (type === undefined) return found;
  const until = performance.now() + LONGEST_MS;
  const shelf = shelfOf(desk.store, report.id);
  for (const { key } of [PLANNING, ...(plan ?? [])]) {
    const leftMs = until - performance.now();
    const author = leftMs <= 0 ? null : authorOf(type, plan, key);
    if (author === null) continue;
    try {
      const input = await materialFor(desk.store, stored, type, author.planned);
      await rehearse(author, input, shelf, {
        limitMs: leftMs,
        onQuestion: (question) => found.set(question.callKey, question),
      });
    } catch {
      // The source is gone, or the type reads it otherwise by now: then its questions cannot be rendered again.
    }
  }
  return found;
}

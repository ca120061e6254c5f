/** What is kept: invariant 25. A run of minutes sees what is never given back; a soak sees what is given back too late. */
import { isFinished } from "../../../src/domain/report.ts";
import type { Evidence } from "../evidence.ts";
import { groupBy, Inquiry, type Verdict } from "./inquiry.ts";

const MEGABYTE = 1_048_576;
/** A process of the fleet holds its code, its connections and the calls in flight, however long it has worked. */
const MOST_OF_A_PROCESS = 400 * MEGABYTE;
/** Redis holds what hangs on the fleet, and so much for each report: texts, answers, timeline, webhooks. */
const MOST_OF_REDIS = 16 * MEGABYTE;
const MOST_FOR_A_REPORT = 65_536;

/** The books and what people decided name a report for ever; the last events and votes, and why a type is stopped, until newer ones push them out. */
const MAY_NAME =
  /^\{[^}]+\}:(?:tombstone:.*|hold:.*|ledger:.*|audit|breaker:[^:]+(?::history|:votes)?|events|cases:decided)$/;
/** What is over is kept to be looked at, so many of each; the oldest goes for the newest. */
const LISTS: readonly { of: RegExp; most: number }[] = [
  { of: /^\{[^}]+\}:webhook-(?:delivery:[^.]+\.|settled:)(wh-\w+)$/, most: 501 },
  // A hundred jobs that succeeded and a hundred that failed, a parent with two sets beside it; and the queue itself.
  { of: /^\{[^}]+\}:(reports|webhooks|sections\.[^:]+):/, most: 3 * 200 + 20 },
];
/** One for each kind of failure that a section has met, however often it did. */
const GROUPS = { of: /^\{[^}]+\}:group:([^.]+\.[^.]*)\./, most: 25 };
/** Of types, routes, accounts, endpoints: what hangs on the fleet and not on its work. */
const MOST_OF_THE_FLEET = 120;

/** 25. After retention a report that is over is in the books and nowhere else; nothing else grows with the work. */
export function memoryIsBounded({ reports, kept, memory, messagesDue }: Evidence): Verdict {
  const inquiry = new Inquiry();
  const over = new Set(
    [...reports].flatMap(([id, { stored }]) => (isFinished(stored.report.status) ? [id] : [])),
  );
  const staying = kept.filter(({ expires }) => !expires);
  for (const { of, most } of [...LISTS, GROUPS]) {
    // What is still to be told is kept for as long as that takes.
    const room = most + messagesDue.length;
    const lists = groupBy(staying, ({ key }) => of.exec(key)?.[1] ?? null);
    for (const [list, keys] of lists)
      inquiry.must(
        list === null || keys.length <= room,
        String(list),
        `${keys.length} keys of at most ${room}`,
      );
  }
  const others = staying.filter(({ key }) => !LISTS.some(({ of }) => of.test(key)));
  for (const { key, reports: named } of others) {
    const remembered = MAY_NAME.test(key) ? [] : named.filter((id) => over.has(id));
    inquiry.must(
      remembered.length === 0,
      key,
      `it still names ${remembered.length} reports that are over, one of them ${remembered[0]}`,
    );
  }
  const ofTheFleet = others.filter(
    ({ key }) => !/:(?:tombstone|hold|report|case|source|order|group)/.test(key),
  );
  inquiry.must(
    ofTheFleet.length <= MOST_OF_THE_FLEET,
    "the fleet",
    `it has ${ofTheFleet.length} keys of its own`,
  );
  for (const { of, bytes, reports: count } of memory) {
    const most = of === "redis" ? MOST_OF_REDIS + count * MOST_FOR_A_REPORT : MOST_OF_A_PROCESS;
    inquiry.must(bytes <= most, of, `${bytes} bytes, with ${count} reports`);
  }
  return inquiry.verdict();
}

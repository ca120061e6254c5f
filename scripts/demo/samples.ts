/** What `npm start` orders. With report types of a team's own, each type's sample takes the place of ours. */
import { readFileSync } from "node:fs";
import { dependencyReview } from "../../examples/dependency-review/dependency-review.ts";
import { topicReport } from "../../examples/topic-report.ts";
import type { ReportType } from "../../src/report-types/define-report.ts";

export interface Sample {
  /** Part of its idempotency key: a repeat within one run is the same order. */
  name: string;
  type: ReportType;
  source: unknown;
}

const TOPICS = [
  { topic: "Automating invoice checks in mid-sized companies", audience: "finance directors" },
  { topic: "The use of language models in customer service", audience: "heads of service teams" },
];

export function samplesOf(types: readonly ReportType[]): Sample[] {
  return types.flatMap((type): Sample[] => {
    if (type === topicReport) return TOPICS.map((source, at) => ({ name: `topic-${at + 1}`, type, source }));
    if (type === dependencyReview) return [{ name: "own-dependencies", type, source: ownLockfile() }];
    return type.sample === undefined ? [] : [{ name: type.type, type, source: type.sample }];
  });
}

function ownLockfile(): unknown {
  return JSON.parse(readFileSync(new URL("../../package-lock.json", import.meta.url), "utf8"));
}

/** The report types a fleet sells when REPORT_TYPES names no others. */
export { dependencyReview } from "./dependency-review/dependency-review.ts";
export { topicReport } from "./topic-report.ts";

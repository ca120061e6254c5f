/** For REPORT_TYPES in fleet tests. */
export { anAuditType } from "./audit-type.ts";
export { aChainedType } from "./chained-type.ts";
export { aPlannedType } from "./planned-type.ts";
export { aSteppedType } from "./stepped-type.ts";
export { aTopicType } from "./topic-type.ts";

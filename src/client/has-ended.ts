import { isFinished } from "../domain/report.ts";
import type { ReportProgress } from "./contract.ts";

/** Nothing more happens to it by itself. */
export function hasEnded({ status }: Pick<ReportProgress, "status">): boolean {
  return isFinished(status) || status === "needs_review";
}

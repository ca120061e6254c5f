/** Whether the buyer should order again, and why (not): the question behind most support requests. */
import type { Report } from "./report.ts";

export interface MayRetry {
  mayRetry: boolean;
  why: string;
}

export function mayRetry(report: Pick<Report, "status">): MayRetry {
  switch (report.status) {
    case "pending":
    case "running":
      return { mayRetry: false, why: "It is being written; ordering again would be a second order." };
    case "waiting_for_retry":
      return { mayRetry: false, why: "It goes on by itself." };
    case "needs_review":
      return {
        mayRetry: false,
        why: "A person is looking at it; what is written so far is kept and not paid for again.",
      };
    case "completed":
      return { mayRetry: false, why: "It is delivered; ordering again is a new order and is charged again." };
    case "failed":
    case "cancelled":
      return { mayRetry: true, why: "It has ended and its credits were returned." };
  }
}

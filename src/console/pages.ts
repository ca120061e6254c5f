/** Every page and action there is. What is added here is served, and walked through by the tests. */
import type { Action, Page } from "./page.ts";
import { accountDecisionPages } from "./pages/account-decisions.ts";
import { accountPages } from "./pages/accounts.ts";
import { auditPages } from "./pages/audit.ts";
import { groupProgressPages } from "./pages/group-progress.ts";
import { keyPages } from "./pages/keys.ts";
import { overviewPages } from "./pages/overview.ts";
import { queuePages } from "./pages/queues.ts";
import { reportBulkPages } from "./pages/report-bulk.ts";
import { reportCsvPages } from "./pages/report-csv.ts";
import { reportDocumentPages } from "./pages/report-document.ts";
import { reportHistoryPages } from "./pages/report-history.ts";
import { reportListPages } from "./pages/report-list.ts";
import { reportReceiptPages } from "./pages/report-receipt.ts";
import { reportTextPages } from "./pages/report-texts.ts";
import { reportPages } from "./pages/report.ts";
import { reviewCasePages } from "./pages/review-case.ts";
import { reviewGroupPages } from "./pages/review-group.ts";
import { reviewPages } from "./pages/review.ts";
import { routePages } from "./pages/routes.ts";
import { spendPages } from "./pages/spend.ts";
import { typePages } from "./pages/types.ts";
import { webhookPages } from "./pages/webhooks.ts";
import { workerPages } from "./pages/workers.ts";

export const PAGES: readonly (Page | Action)[] = [
  ...overviewPages,
  ...reviewPages,
  ...reviewCasePages,
  ...reviewGroupPages,
  ...groupProgressPages,
  ...reportListPages,
  ...reportCsvPages,
  ...reportBulkPages,
  ...reportPages,
  ...reportTextPages,
  ...reportDocumentPages,
  ...reportReceiptPages,
  ...reportHistoryPages,
  ...typePages,
  ...routePages,
  ...spendPages,
  ...accountPages,
  ...accountDecisionPages,
  ...workerPages,
  ...webhookPages,
  ...queuePages,
  ...keyPages,
  ...auditPages,
];

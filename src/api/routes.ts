/** Every route there is. What is added here is served, documented, and tried by the tests with every kind of key. */
import type { Route } from "./route.ts";
import { creditRoutes } from "./routes/credits.ts";
import { groupRoutes } from "./routes/groups.ts";
import { keyRoutes } from "./routes/keys.ts";
import { reportContentRoutes } from "./routes/report-contents.ts";
import { reportRoutes } from "./routes/reports.ts";
import { reviewRoutes } from "./routes/reviews.ts";
import { spendingRoutes } from "./routes/spending.ts";
import { typeRoutes } from "./routes/types.ts";
import { webhookRoutes } from "./routes/webhooks.ts";

export const ROUTES: readonly Route[] = [
  ...reportRoutes,
  ...reportContentRoutes,
  ...reviewRoutes,
  ...groupRoutes,
  ...typeRoutes,
  ...creditRoutes,
  ...spendingRoutes,
  ...keyRoutes,
  ...webhookRoutes,
];

/** Every page and action there is. What is added here is served, and walked through by the tests. */
import type { Action, Page } from "./page.ts";
import { overviewPages } from "./pages/overview.ts";
import { reportListPages } from "./pages/report-list.ts";
import { reviewPages } from "./pages/review.ts";
import { reviewCasePages } from "./pages/review-case.ts";

export const PAGES: readonly (Page | Action)[] = [
  ...overviewPages,
  ...reviewPages,
  ...reviewCasePages,
  ...reportListPages,
];

import { defineConfig } from "vitest/config";
import usual from "./vitest.config.ts";

/** The console in a real Chromium: outside of `npm test`, since not every machine has a browser. */
export default defineConfig({
  test: {
    ...usual.test,
    include: ["test/browser/**/*.test.ts"],
    exclude: [],
    maxWorkers: 1,
    // A browser walks through every page, and a machine may be slow.
    testTimeout: 300_000,
    // The first test may have to bring the browser.
    hookTimeout: 420_000,
  },
});

import { defineConfig } from "vitest/config";
import usual from "./vitest.config.ts";

/** Metrics, rules and dashboards before a real Prometheus, which is installed where there is none: outside of `npm test`. */
export default defineConfig({
  test: {
    ...usual.test,
    include: ["test/prometheus/**/*.test.ts"],
    exclude: [],
    maxWorkers: 1,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});

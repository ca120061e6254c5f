import { defineConfig } from "vitest/config";
import usual from "./vitest.config.ts";

/** Long tests that want the machine for themselves: one file after the other, outside of `npm test`. */
export default defineConfig({
  test: {
    ...usual.test,
    include: ["test/chaos/**/*.test.ts"],
    exclude: [],
    maxWorkers: 1,
    testTimeout: 300_000,
  },
});

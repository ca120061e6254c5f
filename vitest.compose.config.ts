import { defineConfig } from "vitest/config";
import usual from "./vitest.config.ts";

/** One long story over real containers; `npm run test:compose` brings what it needs and starts it. */
export default defineConfig({
  test: {
    ...usual.test,
    include: ["test/compose/**/*.test.ts"],
    exclude: [],
    // Its Redis is in a container.
    globalSetup: [],
    maxWorkers: 1,
    // Each test goes on where the one before it has left the fleet.
    bail: 1,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});

import { defineConfig } from "vitest/config";

// A key in the environment never spends by itself, so no test and no program that a test starts may see one.
for (const name of Object.keys(process.env)) if (name.startsWith("OPENAI_")) delete process.env[name];

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: [
      "test/chaos/**",
      "test/browser/**",
      "test/compose/**",
      "test/prometheus/**",
      "test/model/**",
      "test/hostile/**",
    ],
    globalSetup: ["test/support/shared-redis.ts"],
    // Whole fleets run in tests, and two of them saturate a small machine's two cores.
    pool: "forks",
    maxWorkers: 2,
    // Only a limit for tests that hang: none waits for time to pass.
    testTimeout: 120_000,
    hookTimeout: 60_000,
    // A skipped test fails CI (see scripts/check.ts), and a forgotten `.only` fails everywhere.
    allowOnly: false,
  },
});

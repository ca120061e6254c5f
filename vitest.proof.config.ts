import { defineConfig } from "vitest/config";
import usual from "./vitest.config.ts";

/** What takes minutes of both cores: the model and its twin, and everything hostile (docs/proof.md). */
export default defineConfig({
  test: {
    ...usual.test,
    include: ["test/model/**/*.test.ts", "test/hostile/**/*.test.ts"],
    exclude: [],
    maxConcurrency: 12,
    // What is left of a flood is told from what nobody has collected yet.
    execArgv: ["--expose-gc"],
  },
});

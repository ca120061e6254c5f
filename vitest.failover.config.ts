import { defineConfig } from "vitest/config";
import chaos from "./vitest.chaos.config.ts";

/** Real sentinels take as long as they take to agree, so their stories are told by hand and before a release. */
export default defineConfig({
  test: { ...chaos.test, include: ["test/chaos/failover.test.ts"], exclude: [] },
});

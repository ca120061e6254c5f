/**
 * `npm run model`: the model test by hand (docs/proof.md).
 *
 *     npm run model                                   5,000 sequences, as in CI
 *     npm run model -- --sequences 100000             as every night
 *     npm run model -- --seed 7 --path 150:11:12      the failure that was printed with these two
 */
import { parseArgs } from "node:util";
import { runTool } from "./tools.ts";

const { values } = parseArgs({
  options: { sequences: { type: "string" }, seed: { type: "string" }, path: { type: "string" } },
});
for (const [name, value] of Object.entries(values)) process.env[`MODEL_${name.toUpperCase()}`] = value;
process.exitCode = (
  await runTool("vitest", ["run", "--config", "vitest.proof.config.ts", "test/model"])
).code;

/** `npm test [files or vitest options]`: the whole suite, on a Redis that the test run brings itself. */
import { runTool } from "./tools.ts";

process.exitCode = (await runTool("vitest", ["run", ...process.argv.slice(2)])).code;

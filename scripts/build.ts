/** `npm run build`: JavaScript and types in dist/, for publishing. Development needs none of it. */
import { cpSync, rmSync } from "node:fs";
import { root, runTool } from "./tools.ts";

// A file that was renamed since the last build must not be published under its old name.
rmSync(`${root}dist`, { recursive: true, force: true });
process.exitCode = (await runTool("tsc", ["-p", "tsconfig.build.json"])).code;
// The compiler takes TypeScript only; the console's stylesheet and script go along as they are.
cpSync(`${root}src/console/static`, `${root}dist/src/console/static`, { recursive: true });

/** `npm run format`: rewrites every file to the house format. */
import { runTool } from "./tools.ts";

process.exitCode = (await runTool("oxfmt", process.argv.slice(2))).code;

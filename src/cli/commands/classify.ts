import { once } from "node:events";
import { createInterface } from "node:readline";
import { Command } from "commander";
import type { Terminal } from "../command.ts";
import { EXIT } from "../exit-codes.ts";

export function classifyCommand({ output, finish }: Terminal): Command {
  return new Command("classify")
    .summary("tell what the fleet would make of a failure")
    .description(
      "Reads one failure a line from stdin, as JSON, and prints what it is: one JSON line each, in the same order.",
    )
    .option("--explain", "name the rule that fired, and what the fleet would do", false)
    .option("--json", "print errors as JSON too (the answers always are)", false)
    .addHelpText(
      "after",
      '\nExample:\n  echo \'{"id":"a","surface":"http","stage":"generate","http":{"status":429,"headers":{},"body":null}}\' | report-fleet classify --explain',
    )
    .action(async ({ explain }: { explain: boolean }) => {
      const { classifyLine } = await import("../../classifier/classify-line.ts");
      if (process.stdin.isTTY) output.talk("Reading JSON lines from the terminal; end with Ctrl-D.");

      let number = 0;
      // One bad line must not lose the answers to all others, so it is told at once and remembered for the end.
      for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
        number += 1;
        if (line.trim() === "") continue;
        const answer = classifyLine(line, { explain });
        if ("error" in answer) {
          finish(EXIT.usage);
          const message = answer.error;
          output.talk(
            output.json
              ? JSON.stringify({ error: { code: "usage", message, line: number } })
              : `line ${number}: ${message}`,
          );
        } else if (!process.stdout.write(`${JSON.stringify(answer)}\n`)) {
          await once(process.stdout, "drain");
        }
      }
    });
}

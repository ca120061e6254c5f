import { Command } from "commander";
import { loadConfig } from "../../config.ts";
import { formatCredits } from "../../domain/credits.ts";
import type { Terminal } from "../command.ts";
import { reportId } from "../options.ts";

export function completeCommand({ output }: Terminal): Command {
  return new Command("complete")
    .summary("have the missing parts of a partly delivered report written")
    .description(
      "Holds what the missing parts of a partly delivered report cost and writes them. What was delivered stays delivered, whatever comes of it.",
    )
    .argument("<id>", "the report's id")
    .requiredOption("--by <name>", "who decides it")
    .requiredOption("--reason <text>", "why; kept with the report")
    .option("--json", "print the result as JSON", false)
    .action(async (given: string, { by, reason }: { by: string; reason: string }) => {
      const id = reportId(given);
      const { withCounter } = await import("../configured.ts");
      const { completeRest } = await import("../../desk/complete-rest.ts");
      const begun = await withCounter(loadConfig(), (desk) => completeRest(desk, id, { by, why: reason }));
      output.data({ id, status: "running", run: begun.run, credits: begun.credits }, () => [
        `${id} is being completed; ${formatCredits(begun.credits)} more ${begun.credits === 1 ? "is" : "are"} held for it.`,
      ]);
    });
}

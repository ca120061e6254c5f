import { Command } from "commander";
import { loadConfig } from "../../config.ts";
import type { Terminal } from "../command.ts";
import { deciding, rulingOf, type DecisionOptions } from "../decision.ts";
import { reportId } from "../options.ts";

export function cancelCommand({ output }: Terminal): Command {
  return deciding(new Command("cancel"))
    .summary("stop a report and return its credits")
    .description(
      "Stops a report in any state before delivery: no new call starts, calls in flight are aborted, the credits go back once.",
    )
    .argument("<report>", "the report")
    .option("--json", "print as JSON", false)
    .action(async (given: string, options: DecisionOptions) => {
      const { withStore } = await import("../configured.ts");
      const { cancelReport } = await import("../../desk/end-by-person.ts");
      const ended = await withStore(loadConfig(), (store) =>
        cancelReport({ store }, reportId(given), rulingOf(options)),
      );
      output.data(ended, () => [
        ended.repeated
          ? `${ended.report} was cancelled before.`
          : `${ended.report} is ${ended.status}; its credits were returned.`,
      ]);
    });
}

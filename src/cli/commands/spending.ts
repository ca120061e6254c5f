import { Command } from "commander";
import { loadConfig } from "../../config.ts";
import type { Terminal } from "../command.ts";

export function stopSpendingCommand({ output }: Terminal): Command {
  return new Command("stop-spending")
    .summary("let no call begin anywhere")
    .description(
      "Stops everything that costs money, on every worker, at once. Calls in flight are recorded; reports wait and nothing is lost.",
    )
    .requiredOption("--reason <text>", "shown with every report that waits")
    .requiredOption("--by <name>", "who stops it")
    .option("--json", "print the result as JSON", false)
    .action(async ({ reason, by }: { reason: string; by: string }) => {
      const { withStore } = await import("../configured.ts");
      const { readSpendingStop, stopSpending } = await import("../../store/spending.ts");
      const { outcome, stop } = await withStore(loadConfig(), async (store) => ({
        outcome: await stopSpending(store, reason, by),
        stop: await readSpendingStop(store),
      }));
      output.data({ spending: "stopped", reason: stop?.reason ?? reason, by: stop?.by ?? by }, () => [
        outcome === "stopped"
          ? "Spending is stopped."
          : `Spending was stopped before, by ${stop?.by ?? "somebody"}: ${stop?.reason ?? ""}`,
      ]);
      output.talk(`Go on with: report-fleet start-spending --by ${by}`);
    });
}

export function startSpendingCommand({ output }: Terminal): Command {
  return new Command("start-spending")
    .summary("let calls begin again after stop-spending")
    .description("Ends a stop. Waiting reports go on by themselves within seconds.")
    .requiredOption("--by <name>", "who starts it")
    .option("--json", "print the result as JSON", false)
    .action(async ({ by }: { by: string }) => {
      const { withStore } = await import("../configured.ts");
      const { startSpending } = await import("../../store/spending.ts");
      const outcome = await withStore(loadConfig(), (store) => startSpending(store, by));
      output.data({ spending: "started" }, () => [
        outcome === "started" ? "Spending goes on." : "Spending was not stopped.",
      ]);
    });
}

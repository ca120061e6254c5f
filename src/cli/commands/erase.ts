import { join } from "node:path";
import { Command } from "commander";
import { loadConfig } from "../../config.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import { ACCOUNT_RULE, isAccount } from "../../domain/ids.ts";
import type { Terminal } from "../command.ts";
import { reportId } from "../options.ts";

export function eraseCommand(terminal: Terminal): Command {
  return new Command("erase")
    .summary("erase the texts of a report or of a whole account")
    .description(
      "Removes source, sections, answers, prompts, cases and document for good. Ledger, holds and a tombstone stay. What is not over is cancelled first, and its credits go back.",
    )
    .addCommand(reportCommand(terminal))
    .addCommand(accountCommand(terminal));
}

function reportCommand({ output }: Terminal): Command {
  return new Command("report")
    .description("Erases one report.")
    .argument("<id>", "the report's id")
    .requiredOption("--by <name>", "who decides it; kept in the audit")
    .option("--json", "print the result as JSON", false)
    .action(async (given: string, { by }: { by: string }) => {
      const id = reportId(given);
      const { withStore } = await import("../configured.ts");
      const { eraseReport } = await import("../../store/erase.ts");
      const { eraseSpooled } = await import("../../workers/spool.ts");
      const config = loadConfig();
      const { outcome } = await withStore(config, (store) => eraseReport(store, id, by));
      if (outcome === "unknown")
        throw new FleetError("not_found", `There is no report ${id} in fleet "${config.fleet}".`);
      eraseSpooled(join(config.dataDir, "spool"), [id]);
      const repeated = outcome === "erased_before";
      output.data({ id, erased: true, repeated }, () => [
        repeated ? `${id} was erased before.` : `${id} is erased.`,
      ]);
    });
}

function accountCommand({ output }: Terminal): Command {
  return new Command("account")
    .description("Erases every report of an account, and removes its webhook endpoints.")
    .argument("<account>", "the account")
    .requiredOption("--by <name>", "who decides it; kept in the audit")
    .option("--json", "print the result as JSON", false)
    .action(async (account: string, { by }: { by: string }) => {
      if (!isAccount(account)) throw new FleetError("usage", `"${account}" is no account: ${ACCOUNT_RULE}.`);
      const { withStore } = await import("../configured.ts");
      const { eraseAccount } = await import("../../store/erase.ts");
      const { eraseSpooled } = await import("../../workers/spool.ts");
      const config = loadConfig();
      const erased = await withStore(config, (store) => eraseAccount(store, account, by));
      const { reports, webhooks } = erased;
      eraseSpooled(join(config.dataDir, "spool"), reports);
      output.data({ account, erasedReports: reports, removedWebhooks: webhooks }, () => [
        `${reports.length} reports of ${account} are erased, and ${webhooks.length} webhook endpoints removed.`,
      ]);
    });
}

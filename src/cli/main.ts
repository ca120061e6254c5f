/**
 * The command line. Each command's file declares its options and imports what it does the work with only when it runs,
 * so that `--help` and the pipes stay quick.
 */
import { Command, CommanderError } from "commander";
import { packageVersion } from "../config/package-version.ts";
import type { Terminal } from "./command.ts";
import { exportCommand, replayCommand } from "./commands/bundle.ts";
import { cancelCommand } from "./commands/cancel.ts";
import { classifyCommand } from "./commands/classify.ts";
import { completeCommand } from "./commands/complete.ts";
import { configCommand } from "./commands/config.ts";
import { consoleCommand } from "./commands/console.ts";
import { creditsCommand } from "./commands/credits.ts";
import { explainCommand } from "./commands/explain.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { eraseCommand } from "./commands/erase.ts";
import { getCommand } from "./commands/get.ts";
import { keysCommand } from "./commands/keys.ts";
import { lsCommand } from "./commands/ls.ts";
import { poolCommand } from "./commands/pool.ts";
import { reviewCommand } from "./commands/review.ts";
import { routesCommand } from "./commands/routes.ts";
import { simulateCommand } from "./commands/simulate.ts";
import { spendCommand } from "./commands/spend.ts";
import { startSpendingCommand, stopSpendingCommand } from "./commands/spending.ts";
import { startCommand } from "./commands/start.ts";
import { statusCommand } from "./commands/status.ts";
import { submitCommand } from "./commands/submit.ts";
import { typesCommand } from "./commands/types.ts";
import { watchCommand } from "./commands/watch.ts";
import { webhooksCommand } from "./commands/webhooks.ts";
import { workersCommand } from "./commands/workers.ts";
import { failWith } from "./errors.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { openOutput } from "./output.ts";
import { FleetError } from "../domain/fleet-error.ts";

/** In the order of the help: what starts a fleet, what orders and reads, what explains. */
const COMMANDS: readonly ((terminal: Terminal) => Command)[] = [
  startCommand,
  poolCommand,
  submitCommand,
  watchCommand,
  lsCommand,
  statusCommand,
  getCommand,
  explainCommand,
  reviewCommand,
  cancelCommand,
  exportCommand,
  replayCommand,
  typesCommand,
  completeCommand,
  creditsCommand,
  spendCommand,
  routesCommand,
  workersCommand,
  webhooksCommand,
  stopSpendingCommand,
  startSpendingCommand,
  classifyCommand,
  simulateCommand,
  keysCommand,
  consoleCommand,
  eraseCommand,
  configCommand,
  doctorCommand,
];

/** Runs one command line and resolves to its exit code; it never throws, and never ends the process by itself. */
export async function main(args: readonly string[]): Promise<number> {
  const output = openOutput({ json: args.includes("--json") });
  let exitCode: ExitCode = EXIT.ok;
  // A reader that has seen enough (`| head`) is no error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT.ok);
    throw error;
  });

  const program = new Command("report-fleet")
    .description("Writes long, paid LLM reports, and never burns money in a broken loop.")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .showSuggestionAfterError()
    .exitOverride()
    // What commander has to say about a wrong command line leaves through `failWith`, like every other error.
    .configureOutput({ outputError: () => {} });
  const finish = (code: ExitCode): void => {
    exitCode = code;
  };
  for (const declare of COMMANDS) program.addCommand(inheriting(declare({ output, finish }), program));

  try {
    if (args.length === 0) {
      program.outputHelp({ error: true });
      return EXIT.usage;
    }
    await program.parseAsync([...args], { from: "user" });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) return failWith(output, error);
    // `--help` and `--version` leave by this way as well.
    if (error.exitCode === 0) return EXIT.ok;
    return failWith(output, new FleetError("usage", sentence(error.message)));
  }
}

/** Commands of commands as well: one that ended the process by itself would skip our exit codes. */
function inheriting(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  for (const inner of command.commands) inheriting(inner, command);
  return command;
}

function sentence(message: string): string {
  const text = message.replace(/^error: /, "").trim();
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.?!)]$/.test(text) ? "" : "."}`;
}

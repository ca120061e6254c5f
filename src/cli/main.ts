/**
 * The command line. A command's file is loaded when it is named, declares its options, and imports what it does the work
 * with when it runs: `--help` and the pipes stay quick, and a worker that comes back after its death writes sooner.
 */
import { Command, CommanderError } from "commander";
import { packageVersion } from "../config/package-version.ts";
import type { Terminal } from "./command.ts";
import { failWith } from "./errors.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { openOutput } from "./output.ts";
import { FleetError } from "../domain/fleet-error.ts";

/** By the name each gives itself, in the order of the help: what starts a fleet, what orders and reads, what explains. */
export const COMMANDS: Readonly<Record<string, () => Promise<(terminal: Terminal) => Command>>> = {
  start: async () => (await import("./commands/start.ts")).startCommand,
  pool: async () => (await import("./commands/pool.ts")).poolCommand,
  submit: async () => (await import("./commands/submit.ts")).submitCommand,
  watch: async () => (await import("./commands/watch.ts")).watchCommand,
  ls: async () => (await import("./commands/ls.ts")).lsCommand,
  status: async () => (await import("./commands/status.ts")).statusCommand,
  get: async () => (await import("./commands/get.ts")).getCommand,
  explain: async () => (await import("./commands/explain.ts")).explainCommand,
  review: async () => (await import("./commands/review.ts")).reviewCommand,
  cancel: async () => (await import("./commands/cancel.ts")).cancelCommand,
  export: async () => (await import("./commands/bundle.ts")).exportCommand,
  replay: async () => (await import("./commands/bundle.ts")).replayCommand,
  types: async () => (await import("./commands/types.ts")).typesCommand,
  complete: async () => (await import("./commands/complete.ts")).completeCommand,
  credits: async () => (await import("./commands/credits.ts")).creditsCommand,
  spend: async () => (await import("./commands/spend.ts")).spendCommand,
  routes: async () => (await import("./commands/routes.ts")).routesCommand,
  workers: async () => (await import("./commands/workers.ts")).workersCommand,
  webhooks: async () => (await import("./commands/webhooks.ts")).webhooksCommand,
  "stop-spending": async () => (await import("./commands/spending.ts")).stopSpendingCommand,
  "start-spending": async () => (await import("./commands/spending.ts")).startSpendingCommand,
  classify: async () => (await import("./commands/classify.ts")).classifyCommand,
  simulate: async () => (await import("./commands/simulate.ts")).simulateCommand,
  keys: async () => (await import("./commands/keys.ts")).keysCommand,
  console: async () => (await import("./commands/console.ts")).consoleCommand,
  erase: async () => (await import("./commands/erase.ts")).eraseCommand,
  config: async () => (await import("./commands/config.ts")).configCommand,
  doctor: async () => (await import("./commands/doctor.ts")).doctorCommand,
};

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
  for (const load of commandsFor(args)) {
    const declare = await load();
    program.addCommand(inheriting(declare({ output, finish }), program));
  }

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

/** The one that is named first, or all of them, which the help and the suggestions need. */
function commandsFor([name = ""]: readonly string[]): (typeof COMMANDS)[string][] {
  const named = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  return named === undefined ? Object.values(COMMANDS) : [named];
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

/** Options of every command that moves somebody's money or work: who decides, and why. Both are kept for good. */
import { InvalidArgumentError, Option, type Command } from "commander";
import { FleetError } from "../domain/fleet-error.ts";
import { isReportId } from "../domain/ids.ts";
import type { Store } from "../store/redis.ts";

export interface DecisionOptions {
  by: string;
  reason: string;
  operation?: string;
}

/** Of a command that can also show what it would do: then nobody decides anything. */
export type TriableOptions = Partial<DecisionOptions> & { dryRun: boolean };

const LONGEST_NAME = 100;
const LONGEST_REASON = 500;

export function deciding(command: Command): Command {
  return withOptions(command, true);
}

/** As `deciding`, with a dry run, which needs neither a name nor a reason. */
export function triable(command: Command): Command {
  return withOptions(command, false).option(
    "--dry-run",
    "show what would be reused, paid and charged, and change nothing; needs no --by and --reason",
    false,
  );
}

function withOptions(command: Command, mandatory: boolean): Command {
  return command
    .addOption(
      new Option("--by <name>", "who decides")
        .makeOptionMandatory(mandatory)
        .argParser(shortText(LONGEST_NAME)),
    )
    .addOption(
      new Option("--reason <why>", "why; kept in the audit")
        .makeOptionMandatory(mandatory)
        .argParser(shortText(LONGEST_REASON)),
    )
    .addOption(
      new Option("--operation <id>", "the same id twice is one decision").argParser(shortText(LONGEST_NAME)),
    );
}

export function rulingOf({ by, reason, operation }: Partial<DecisionOptions>) {
  if (by === undefined || reason === undefined)
    throw new FleetError(
      "usage",
      "Say who decides with --by and why with --reason; both are kept. --dry-run needs neither and changes nothing.",
    );
  return { by, why: reason, ...(operation === undefined ? {} : { operation }) };
}

/** A case by its id, or the only open case of a report. */
export async function caseIdFrom(store: Store, given: string): Promise<string> {
  if (!isReportId(given)) return given;
  const { listCases } = await import("../store/cases.ts");
  const cases = await listCases(store, { report: given, limit: 100 });
  const open = cases.filter(({ state }) => state.status === "open");
  const [only] = open;
  if (only !== undefined && open.length === 1) return only.id;
  if (open.length === 0)
    throw new FleetError(
      "not_found",
      `Report ${given} has no open review case. \`report-fleet explain ${given}\` says how it stands.`,
    );
  throw new FleetError(
    "usage",
    `Report ${given} has ${open.length} open cases; name one of ${open.map(({ id }) => id).join(", ")}.`,
  );
}

function shortText(most: number): (text: string) => string {
  return (text) => {
    const trimmed = text.trim();
    if (trimmed === "" || trimmed.length > most)
      throw new InvalidArgumentError(`Expected 1 to ${most} characters.`);
    return trimmed;
  };
}

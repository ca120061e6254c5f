/** What a person does to credits besides granting them, and how the books are looked through. */
import { Command, Option } from "commander";
import { loadConfig } from "../../config.ts";
import { formatCredits, type Hold } from "../../domain/credits.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import type { ReportId } from "../../domain/ids.ts";
import type { Store } from "../../store/redis.ts";
import type { Terminal } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { account, reportId, wholeNumber } from "../options.ts";
import { printable } from "../printable.ts";

const MOST_CREDITS = 1_000_000_000;
const LONGEST_TEXT = 200;
const DEFAULT_ROWS = 50;
const MOST_ROWS = 10_000;

interface Decided {
  by: string;
  reason: string;
}

export function holdsCommand({ output }: Terminal): Command {
  return new Command("ls")
    .description("Lists the credits held now; with --account that account's newest holds, ended or not.")
    .addOption(new Option("--account <account>", "one account").argParser(account))
    .addOption(
      new Option("--limit <rows>", "how many at most")
        .default(DEFAULT_ROWS)
        .argParser(wholeNumber(1, MOST_ROWS)),
    )
    .option("--json", "print as JSON", false)
    .action(async ({ account: name, limit }: { account?: string; limit: number }) => {
      const { withStore } = await import("../configured.ts");
      const { listHoldsOf, listOpenHolds } = await import("../../store/list-holds.ts");
      const holds = await withStore(loadConfig(), (store) =>
        name === undefined ? listOpenHolds(store, limit) : listHoldsOf(store, name, limit),
      );
      output.list(holds, HOLD_COLUMNS);
    });
}

const HOLD_COLUMNS = [
  { title: "hold", value: (row: Hold) => row.id },
  { title: "account", value: (row: Hold) => row.account },
  { title: "credits", value: (row: Hold) => String(row.credits), align: "right" as const },
  { title: "status", value: (row: Hold) => row.status },
  { title: "committed", value: (row: Hold) => String(row.committed), align: "right" as const },
  { title: "since", value: (row: Hold) => new Date(row.at).toISOString().slice(0, 19).replace("T", " ") },
];

export function reverseCommand({ output }: Terminal): Command {
  return new Command("reverse")
    .description(
      "Gives the credits held for a report back. Without them nothing may be delivered, so this ends the report as failed; what was delivered of it before stays delivered.",
    )
    .argument("<id>", "the report's id")
    .requiredOption("--by <name>", "who decides it")
    .requiredOption("--reason <text>", "why; shown with the report and in the ledger")
    .option("--json", "print the result as JSON", false)
    .action(async (given: string, decided: Decided) => {
      const id = reportId(given);
      checkDecided(decided);
      const { withStore } = await import("../configured.ts");
      const { endReport } = await import("../../store/end-report.ts");
      await withStore(loadConfig(), async (store) => {
        const report = await reportOf(store, id);
        const ended = await endReport(store, report, {
          status: "failed",
          because: decided.reason,
          by: decided.by,
        });
        if (ended.outcome === "superseded" || ended.outcome === "gone")
          throw new FleetError("stale_version", `${id} moved just now; look at it and decide again.`);
        const { status } = ended;
        const repeated = ended.outcome === "ended_before";
        if (repeated && status === "completed") {
          throw new FleetError(
            "not_allowed",
            `${id} is delivered, so its credits are charged, not held. \`report-fleet credits refund ${id}\` gives charged credits back.`,
          );
        }
        output.data({ id, status, hold: "reversed", repeated }, () => [
          repeated
            ? `${id} had ended as ${status}; its credits went back then.`
            : `${id} is ${status}; the credits held for it are available to ${report.account} again.`,
        ]);
      });
    });
}

export function refundCommand({ output }: Terminal): Command {
  return new Command("refund")
    .description(
      "Gives credits charged for a delivered report back, as an entry of its own. The same reference twice is one refund.",
    )
    .argument("<id>", "the report's id")
    .addOption(
      new Option("--amount <credits>", "how many")
        .makeOptionMandatory()
        .argParser(wholeNumber(1, MOST_CREDITS)),
    )
    .requiredOption("--reference <reference>", "a ticket or credit note; it names this refund")
    .requiredOption("--by <name>", "who decides it")
    .requiredOption("--reason <text>", "why; kept in the ledger")
    .option("--json", "print the result as JSON", false)
    .action(async (given: string, refund: Decided & { amount: number; reference: string }) => {
      const id = reportId(given);
      checkDecided(refund);
      checkText("reference", refund.reference);
      const { withStore } = await import("../configured.ts");
      const { readBalance, refundCredits } = await import("../../store/credits.ts");
      await withStore(loadConfig(), async (store) => {
        const { account: name } = await reportOf(store, id);
        const { amount: credits, reference, by, reason: why } = refund;
        const refunded = await refundCredits(store, {
          report: id,
          account: name,
          credits,
          reference,
          by,
          why,
        });
        switch (refunded.outcome) {
          case "exceeds":
            throw new FleetError(
              "not_allowed",
              `${id} has ${formatCredits(refunded.left)} charged and not refunded; ${credits} cannot be given back.`,
            );
          case "conflict":
            throw new FleetError(
              "idempotency_conflict",
              `The reference "${reference}" already refunded ${formatCredits(refunded.refundedBefore)} of ${refunded.report}. Use a new reference for a new refund.`,
            );
          case "no_report":
            throw missing(store, id);
          case "refunded":
          case "repeated": {
            const repeated = refunded.outcome === "repeated";
            const balance = await readBalance(store, name);
            output.data({ id, ...balance, reference, credits, repeated }, () => [
              repeated
                ? `"${reference}" was refunded before; nothing was added.`
                : `${formatCredits(credits)} of ${id} went back to ${name}, who has ${balance.available} available.`,
            ]);
          }
        }
      });
    });
}

export function reviewCommand({ output }: Terminal): Command {
  return new Command("review")
    .description(
      "Ends an account's credit review: repeated paid failure had stopped the retries of its reports, and somebody has looked.",
    )
    .addOption(new Option("--account <account>", "whose").makeOptionMandatory().argParser(account))
    .requiredOption("--by <name>", "who has looked")
    .requiredOption("--reason <text>", "what came of it")
    .option("--json", "print the result as JSON", false)
    .action(async (decided: Decided & { account: string }) => {
      checkDecided(decided);
      const { withStore } = await import("../configured.ts");
      const { closeCreditReview } = await import("../../store/credits.ts");
      const outcome = await withStore(loadConfig(), (store) =>
        closeCreditReview(store, decided.account, decided.by, decided.reason),
      );
      output.data({ account: decided.account, credit_review: null, repeated: outcome === "none" }, () => [
        outcome === "closed"
          ? `The credit review of ${decided.account} has ended; its reports may be run again.`
          : `${decided.account} is not under credit review.`,
      ]);
    });
}

export function reconcileCommand({ output, finish }: Terminal): Command {
  return new Command("reconcile")
    .description(
      "Folds every row of the ledger again and compares it with balances, holds and reports. Changes nothing; exits 1 where something does not agree.",
    )
    .option("--json", "print the result as JSON", false)
    .action(async () => {
      const { withStore } = await import("../configured.ts");
      const { reconcile } = await import("../../store/reconcile.ts");
      const result = await withStore(loadConfig(), reconcile);
      const { accounts, entries, holds, problems } = result;
      output.data(result, () => [
        ...problems.map(printable),
        `${count(accounts, "account")}, ${count(entries, "row")}, ${count(holds, "hold")}: ${problems.length === 0 ? "everything agrees" : count(problems.length, "problem")}.`,
      ]);
      if (problems.length > 0) finish(EXIT.error);
    });
}

async function reportOf(store: Store, id: ReportId) {
  const { readReport } = await import("../../store/reports.ts");
  const stored = await readReport(store, id);
  if (stored === null) throw missing(store, id);
  return stored.report;
}

function missing(store: Store, id: ReportId): FleetError {
  return new FleetError(
    "not_found",
    `There is no report ${id} in fleet "${store.fleet}". \`report-fleet ls\` lists what there is.`,
  );
}

function checkDecided({ by, reason }: Decided): void {
  checkText("name (--by)", by);
  checkText("reason", reason);
}

function checkText(what: string, text: string): void {
  if (text.trim() === "" || text.length > LONGEST_TEXT)
    throw new FleetError("usage", `A ${what} has 1 to ${LONGEST_TEXT} characters.`);
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

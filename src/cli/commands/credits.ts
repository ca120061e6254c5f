import { Command, Option } from "commander";
import { loadConfig } from "../../config.ts";
import type { Balance, LedgerEntry } from "../../domain/credits.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import type { Terminal } from "../command.ts";
import { account, wholeNumber } from "../options.ts";
import { table } from "../output.ts";
import { printable } from "../printable.ts";
import {
  holdsCommand,
  reconcileCommand,
  refundCommand,
  reverseCommand,
  reviewCommand,
} from "./credits-ledger.ts";

/** A slipped key must not become a fortune; whoever needs more grants twice. */
const MOST_CREDITS = 1_000_000_000;
const LONGEST_REFERENCE = 200;
const LEDGER_ROWS = 20;

export function creditsCommand(terminal: Terminal): Command {
  return new Command("credits")
    .summary("show and grant credits; holds, refunds and the check of the books")
    .description("Credits of accounts: available, held for orders, committed with deliveries.")
    .addCommand(showCommand(terminal))
    .addCommand(grantCommand(terminal))
    .addCommand(holdsCommand(terminal))
    .addCommand(reverseCommand(terminal))
    .addCommand(refundCommand(terminal))
    .addCommand(reviewCommand(terminal))
    .addCommand(reconcileCommand(terminal));
}

function showCommand({ output }: Terminal): Command {
  return new Command("show")
    .description(
      "Shows an account's balance and its newest ledger rows; without --account every account's balance.",
    )
    .addOption(new Option("--account <account>", "one account").argParser(account))
    .option("--json", "print as JSON", false)
    .action(async ({ account: name }: { account?: string }) => {
      const { withStore } = await import("../configured.ts");
      const { listAccounts, readBalance, readCreditReview, readLedger } =
        await import("../../store/credits.ts");
      await withStore(loadConfig(), async (store) => {
        if (name === undefined) {
          const balances: Balance[] = [];
          for (const one of await listAccounts(store)) balances.push(await readBalance(store, one));
          output.list(balances, BALANCE_COLUMNS);
          return;
        }
        const balance = await readBalance(store, name);
        const ledger = await readLedger(store, name, LEDGER_ROWS);
        if (ledger.length === 0) {
          throw new FleetError(
            "not_found",
            `There is no account ${name}. \`report-fleet credits grant --account ${name} --amount 100 --reference first\` opens it.`,
          );
        }
        const review = await readCreditReview(store, name);
        output.data({ ...balance, credit_review: review, ledger }, () => [
          ...table([balance], BALANCE_COLUMNS),
          ...(review === null ? [] : ["", `Under credit review: ${printable(review.because)}.`]),
          "",
          ...table(ledger, LEDGER_COLUMNS),
        ]);
      });
    });
}

const BALANCE_COLUMNS = [
  { title: "account", value: (row: Balance) => row.account },
  { title: "available", value: (row: Balance) => String(row.available), align: "right" as const },
  { title: "held", value: (row: Balance) => String(row.held), align: "right" as const },
  { title: "committed", value: (row: Balance) => String(row.committed), align: "right" as const },
  { title: "deposits", value: (row: Balance) => String(row.deposits), align: "right" as const },
];

const LEDGER_COLUMNS = [
  { title: "row", value: (row: LedgerEntry) => String(row.id), align: "right" as const },
  { title: "at", value: (row: LedgerEntry) => new Date(row.at).toISOString().slice(0, 19).replace("T", " ") },
  { title: "verb", value: (row: LedgerEntry) => row.verb },
  { title: "credits", value: (row: LedgerEntry) => String(row.credits), align: "right" as const },
  { title: "report or reference", value: (row: LedgerEntry) => row.report ?? printable(row.reference) },
  {
    title: "by",
    value: (row: LedgerEntry) => (row.by === null ? "" : printable(`${row.by}: ${row.why ?? ""}`)),
  },
];

function grantCommand({ output }: Terminal): Command {
  return new Command("grant")
    .description("Adds credits to an account. The same reference twice is one grant, so a repeat is safe.")
    .addOption(new Option("--account <account>", "who gets them").makeOptionMandatory().argParser(account))
    .addOption(
      new Option("--amount <credits>", "how many")
        .makeOptionMandatory()
        .argParser(wholeNumber(1, MOST_CREDITS)),
    )
    .requiredOption("--reference <reference>", "an invoice or order number; it names this grant")
    .option("--json", "print the new balance as JSON", false)
    .action(async (grant: { account: string; amount: number; reference: string }) => {
      const { reference } = grant;
      if (reference.trim() === "" || reference.length > LONGEST_REFERENCE)
        throw new FleetError("usage", `A reference has 1 to ${LONGEST_REFERENCE} characters.`);
      const { withStore } = await import("../configured.ts");
      const { grantCredits, readBalance } = await import("../../store/credits.ts");
      await withStore(loadConfig(), async (store) => {
        const granted = await grantCredits(store, {
          account: grant.account,
          credits: grant.amount,
          reference,
        });
        if (granted.outcome === "conflict") {
          throw new FleetError(
            "idempotency_conflict",
            `The reference "${reference}" already granted ${granted.grantedBefore} credits to ${grant.account}, not ${grant.amount}. Use a new reference for a new grant.`,
          );
        }
        const balance = await readBalance(store, grant.account);
        const repeated = granted.outcome === "repeated";
        output.data({ ...balance, reference, repeated }, () => table([balance], BALANCE_COLUMNS));
        if (repeated && !output.json) output.talk(`"${reference}" was granted before; nothing was added.`);
      });
    });
}

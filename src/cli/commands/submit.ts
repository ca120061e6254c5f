import { Command, Option } from "commander";
import { loadConfig } from "../../config.ts";
import { PRIORITIES, type Priority } from "../../domain/fairness.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import type { Terminal } from "../command.ts";
import type { BatchLine } from "../inputs.ts";
import { account, duration } from "../options.ts";
import type { ReportRow } from "../../producer/report-view.ts";

interface SubmitOptions {
  account: string;
  input?: string;
  batch?: string;
  idempotencyKey?: string;
  again: boolean;
  priority?: Priority;
  deliverBy?: number;
  callback?: string;
  wait: boolean;
  timeout?: number;
}

export function submitCommand({ output, finish }: Terminal): Command {
  return new Command("submit")
    .summary("order a report, or a batch of them")
    .description(
      "Orders a report: the source is checked, the credits are held, and a worker writes it. Works on REDIS_URL alone.",
    )
    .argument("<type>", "the report type; `report-fleet types ls` lists them")
    .addOption(
      new Option("--account <account>", "whose credits pay for it").makeOptionMandatory().argParser(account),
    )
    .option("--input <source>", "the source: @file.json, - for standard input, or JSON")
    .addOption(
      new Option(
        "--batch <file>",
        "one order a line (- for standard input): a source, or {source, idempotencyKey}",
      ).conflicts(["input", "idempotencyKey"]),
    )
    .option("--idempotency-key <key>", "the same key with the same source is the same order, and held once")
    .option("--again", "order it anew though the account has an equal order that is not finished", false)
    .addOption(
      new Option("--priority <priority>", "before or behind the account's other orders").choices(PRIORITIES),
    )
    .addOption(
      new Option(
        "--deliver-by <duration>",
        "wanted within this, as in 2h; says when it will be later",
      ).argParser(duration),
    )
    .option("--callback <url>", "an https URL that is told how it ends, as a signed webhook")
    .option("--wait", "show progress until it has ended; Ctrl-C only stops watching", false)
    .addOption(
      new Option("--timeout <duration>", "with --wait: stop watching after this, as in 90s or 30m").argParser(
        duration,
      ),
    )
    .option("--json", "print what was ordered as JSON", false)
    .addHelpText(
      "after",
      '\nExample:\n  report-fleet submit topic-report --account demo --input \'{"topic":"Heat pumps"}\' --wait',
    )
    .action(async (type: string, options: SubmitOptions) => {
      const { input, batch } = options;
      if (input === undefined && batch === undefined) {
        throw new FleetError(
          "usage",
          "There is nothing to write from: give --input @file, --input - or --batch file.",
        );
      }
      if (options.timeout !== undefined && !options.wait)
        throw new FleetError("usage", "--timeout says how long to wait, so it needs --wait.");
      const { readBatch, readInput } = await import("../inputs.ts");
      const { reportRow, readSnapshot } = await import("../../producer/report-view.ts");
      const { checkOrders, placeOrders } = await import("../place-orders.ts");
      const { withCounter, commandRedisUrl } = await import("../configured.ts");
      const { redisNow } = await import("../../store/redis.ts");
      const config = loadConfig();
      const lines: BatchLine[] =
        batch === undefined
          ? [{ line: 1, source: await readInput(input ?? ""), idempotencyKey: options.idempotencyKey }]
          : await readBatch(batch);
      if (options.again) for (const line of lines) line.again = true;
      for (const line of lines) {
        line.priority = options.priority;
        line.callback = options.callback;
      }

      // From here on an order may stand, so Ctrl-C only ends the watching of it.
      const interrupted = options.wait ? (await import("../watch-reports.ts")).interruption() : undefined;
      const { ids, refused, rows } = await withCounter(config, async (counter) => {
        if (options.deliverBy !== undefined) {
          const deliverBy = (await redisNow(counter.store)) + options.deliverBy;
          for (const line of lines) line.deliverBy = deliverBy;
        }
        if (batch !== undefined) await checkOrders(counter, type, options.account, lines);
        const ordered = await placeOrders(counter, type, options.account, lines, batch !== undefined);
        const rowsNow: ReportRow[] = [];
        for (const { id } of ordered.submitted)
          rowsNow.push(reportRow(await readSnapshot(counter.store, id)));
        return {
          ids: ordered.submitted.map(({ id }) => id),
          refused: ordered.refused,
          rows: rowsNow.map((row, at) => ({
            ...row,
            repeated: ordered.submitted[at]?.repeated ?? false,
            openOrder: ordered.submitted[at]?.openOrder ?? false,
          })),
        };
      });

      if (!options.wait || ids.length === 0) {
        show(rows);
      } else {
        for (const { id, repeated, statusText } of rows.slice(0, 1)) {
          if (rows.length === 1 && !output.json)
            output.talk(`${id}${repeated ? " (ordered before)" : ""}: ${statusText}`);
        }
        const { watchUntilEnded } = await import("../watch-until-ended.ts");
        const watched = await watchUntilEnded(
          { output, finish },
          {
            redisUrl: commandRedisUrl(config),
            fleet: config.fleet,
            ids,
            timeoutMs: options.timeout,
            ...(interrupted === undefined ? {} : { interrupted }),
          },
        );
        const latest = rows.map(({ id, repeated, openOrder, ...row }) => {
          const seen = watched.snapshots.get(id);
          return { ...(seen === undefined ? { id, ...row } : reportRow(seen)), repeated, openOrder };
        });
        show(latest);
      }
      if (refused !== null) throw refused;

      function show(shown: readonly (ReportRow & { repeated: boolean; openOrder: boolean })[]): void {
        if (batch !== undefined) {
          output.list(shown, [
            { title: "id", value: (row) => row.id },
            { title: "status", value: (row) => row.status },
            { title: "ordered", value: (row) => (row.repeated ? "before" : "now") },
          ]);
          return;
        }
        for (const row of shown) {
          output.data(row, () => [row.id]);
          if (!output.json) {
            output.talk(`${orderedBefore(row)}${row.statusText}`);
            if (row.status === "completed") output.talk(`Read it: report-fleet get ${row.id}`);
            else if (!options.wait) output.talk(`Watch it: report-fleet watch ${row.id}`);
          }
        }
      }
    });
}

function orderedBefore(row: { repeated: boolean; openOrder: boolean }): string {
  if (row.openOrder) return "An equal order is open already, this is its report (--again orders it anew). ";
  return row.repeated ? "Ordered before. " : "";
}

import { Command } from "commander";
import { loadConfig } from "../../config.ts";
import { formatUsd } from "../../domain/ids.ts";
import type { Explanation } from "../../desk/explain.ts";
import type { Terminal } from "../command.ts";
import { reportId } from "../options.ts";
import { printable } from "../printable.ts";

export function explainCommand({ output }: Terminal): Command {
  return new Command("explain")
    .summary("say what happened to a report, what it cost and what may be done")
    .description(
      "One answer for support: timeline, cause, what it cost, what the buyer paid, what may be done now.",
    )
    .argument("<report>", "the report")
    .option("--json", "print as JSON", false)
    .action(async (given: string) => {
      const { withStore } = await import("../configured.ts");
      const { explainReport } = await import("../../desk/explain.ts");
      const explained = await withStore(loadConfig(), (store) => explainReport(store, reportId(given)));
      const { stored, ...rest } = explained;
      const { id, type, status, run } = stored.report;
      output.data({ id, type, status, run, ...rest }, () => lines(explained));
    });
}

function lines({
  stored,
  sentence,
  timeline,
  cases,
  decisions,
  spend,
  credits,
  actions,
}: Explanation): string[] {
  const { report } = stored;
  return [
    `${report.id}  ${report.type} version ${report.typeVersion}, run ${report.run}`,
    sentence,
    "",
    `Cost      ${formatUsd(spend.totalMicros)} in all, ${formatUsd(spend.wastedMicros)} wasted, ${formatUsd(spend.unknownMicros)} unknown`,
    `Charged   ${credits.charged} of ${credits.price} credits (${credits.state})`,
    ...cases.flatMap((one) => [
      "",
      `Case      ${one.id} (${one.state.status})`,
      `  ${one.failure.kind}/${one.failure.code}: ${printable(one.failure.message)}`,
      `  rule ${one.failure.rule}, group ${one.group}`,
      one.state.status === "open"
        ? `  possible: ${one.actions.join(", ")}`
        : `  ${one.state.action} by ${one.state.by}: ${printable(one.state.why)}`,
    ]),
    ...(decisions.length === 0 ? [] : ["", "Decisions"]),
    ...decisions.map(
      ({ at, action, by, why }) =>
        `  ${new Date(at).toISOString()}  ${action} by ${printable(by)}: ${printable(why)}`,
    ),
    "",
    "Timeline",
    ...timeline.map(({ at, what }) => `  ${new Date(at).toISOString()}  ${printable(what)}`),
    "",
    `The report may be: ${actions.length === 0 ? "nothing more" : actions.join(", ")}`,
  ];
}

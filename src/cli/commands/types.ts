import { Command, Option } from "commander";
import { loadConfig } from "../../config.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import { formatUsd } from "../../domain/ids.ts";
import type { ReportType } from "../../report-types/define-report.ts";
import type { Terminal } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { usd } from "../options.ts";
import { disableTypeCommand, enableTypeCommand, showTypeCommand } from "./types-breaker.ts";
import { table } from "../output.ts";
import { printable } from "../printable.ts";
import type { ReportEstimate, SectionEstimate } from "../../producer/estimate-report.ts";

interface TryOptions {
  input?: string;
  run: boolean;
  live: boolean;
  maxUsd: number;
}

export function typesCommand(terminal: Terminal): Command {
  return new Command("types")
    .summary("list, check and try report types; stop and start them")
    .description("Report types are loaded from the modules that REPORT_TYPES names, by default the examples.")
    .addCommand(listCommand(terminal))
    .addCommand(lintCommand(terminal))
    .addCommand(tryCommand(terminal))
    .addCommand(showTypeCommand(terminal))
    .addCommand(disableTypeCommand(terminal))
    .addCommand(enableTypeCommand(terminal));
}

function listCommand({ output }: Terminal): Command {
  return new Command("ls")
    .description("Lists the report types with price, spend budget and sections.")
    .option("--json", 'print {"data": […]}', false)
    .action(async () => {
      const { loadReportTypes } = await import("../../report-types/registry.ts");
      const types = await loadReportTypes(loadConfig().reportTypes, process.cwd());
      const rows = await Promise.all(types.all().map(typeRow));
      output.list(rows, [
        { title: "type", value: (row) => row.type },
        { title: "version", value: (row) => String(row.version), align: "right" },
        { title: "title", value: (row) => printable(row.title) },
        { title: "credits", value: (row) => String(row.credits), align: "right" },
        { title: "budget", value: (row) => formatUsd(row.budgetMicros), align: "right" },
        {
          title: "source up to",
          value: (row) => `${Math.round(row.maxSourceBytes / 1_024)} KiB`,
          align: "right",
        },
        { title: "sections", value: (row) => row.sections.join(", ") },
      ]);
    });
}

async function typeRow(type: ReportType) {
  const { DEFAULT_MAX_SOURCE_BYTES } = await import("../../report-types/define-report.ts");
  const { definitionsOf, isDynamic } = await import("../../report-types/plan.ts");
  return {
    type: type.type,
    version: type.version,
    title: type.title,
    credits: type.credits,
    budgetMicros: Math.round(type.budget.usd * 1_000_000),
    maxSourceBytes: type.maxSourceBytes ?? DEFAULT_MAX_SOURCE_BYTES,
    /** Of a planned type these are templates. */
    sections: definitionsOf(type).map(({ key }) => key),
    planned: isDynamic(type),
  };
}

function lintCommand({ output, finish }: Terminal): Command {
  return new Command("lint")
    .description(
      "Checks the report types as a fleet does when it starts, with the configured model's price if there is one.",
    )
    .option("--json", 'print the problems as {"data": […]}', false)
    .action(async () => {
      const config = loadConfig();
      const { loadReportTypes } = await import("../../report-types/registry.ts");
      const { lintReportType } = await import("../../report-types/lint.ts");
      const { configuredModels } = await import("../configured.ts");
      const types = await loadReportTypes(config.reportTypes, process.cwd());
      const provided = config.openai.apiKey !== null && config.openai.model !== null;
      const models = provided ? configuredModels(config) : null;
      const priceKnown = (model: string): boolean => models === null || models.priceKnown(model);
      const problems = types.all().flatMap((type) => lintReportType(type, { priceKnown }));
      if (output.json || problems.length > 0) {
        output.list(problems, [
          { title: "type", value: (row) => row.type },
          { title: "level", value: (row) => row.level },
          { title: "what to change", value: (row) => printable(row.message) },
        ]);
      }
      const names = types.all().map(({ type }) => type);
      if (problems.some(({ level }) => level === "error")) finish(EXIT.error);
      else if (!output.json) output.talk(`${names.length} checked, none is broken: ${names.join(", ")}.`);
    });
}

function tryCommand(terminal: Terminal): Command {
  const { output } = terminal;
  return new Command("try")
    .description(
      "Shows what a report type would do with a source: its plan, its prompts and what it may cost. Needs no fleet. With " +
        "--run one report is written by the simulated provider, with --live by the configured one.",
    )
    .argument("<type>", "the report type")
    .option("--input <source>", "the source: @file.json, - or JSON (default: the type's sample)")
    .option("--run", "write one report with the simulated provider", false)
    .option("--live", "write one report with the configured provider; this costs money", false)
    .addOption(
      new Option("--max-usd <amount>", "with --live: the most it may cost").default(0.5).argParser(usd),
    )
    .option("--json", "print as JSON", false)
    .action(async (typeName: string, options: TryOptions) => {
      const config = loadConfig();
      const { configuredModels, configuredTypes, simulatedModels } = await import("../configured.ts");
      const { estimateReport } = await import("../../producer/estimate-report.ts");
      const live = options.live ? configuredModels(config) : null;
      // Prices of the simulated models stand in where no provider is asked, so an estimate can be shown without a key.
      const models = live ?? simulatedModels(config, "http://127.0.0.1:1");
      const { types } = await configuredTypes(config, live);
      const type = types.require(typeName);
      const { raw, source, facts, bytes } = await materialOf(type, options.input);
      const estimate = estimateReport(type, { source, facts }, models);

      if (!options.run && live === null) {
        output.data(plainView(type, estimate, bytes), () => planLines(type, estimate, bytes, output));
        return;
      }
      const limited = live === null ? type : withinLimit(type, estimate, options.maxUsd);
      if (live !== null) output.talk(costSentence(type, estimate, options.maxUsd));
      const { tryReport } = await import("../try-report.ts");
      const { renderArtefact, provenanceOf } = await import("../../producer/render-artefact.ts");
      const { reportView, sentenceOf } = await import("../../producer/report-view.ts");
      const { snapshot, document } = await tryReport(terminal, config, limited, raw, live);
      const view = snapshot === undefined ? null : reportView(snapshot);
      output.data(
        { plan: plainView(type, estimate, bytes), report: view, document: document?.artefact ?? null },
        () => (document === null ? [] : renderArtefact(document, "md").trimEnd().split("\n")),
      );
      if (output.json) return;
      if (document === null && snapshot !== undefined) {
        output.talk(sentenceOf(snapshot));
        const { report } = snapshot.stored;
        if (report.status === "needs_review") output.talk(printable(report.failure.message));
      }
      for (const { label, value } of document === null ? [] : provenanceOf(document))
        output.talk(`${label}: ${value}`);
    });
}

async function materialOf(type: ReportType, input: string | undefined) {
  const { readInput } = await import("../inputs.ts");
  const { checkSource, factsOf } = await import("../../report-types/source.ts");
  if (input === undefined && type.sample === undefined) {
    throw new FleetError("usage", `"${type.type}" has no sample; give a source with --input @file.json.`);
  }
  const raw = input === undefined ? type.sample : await readInput(input);
  const checked = checkSource(type, raw);
  if (!checked.ok) {
    const list = checked.fields.map(({ path, message }) => `${path} ${message}`).join("; ");
    throw new FleetError(checked.code, `The source for "${type.type}" cannot be used: ${list}.`, {
      fields: checked.fields,
    });
  }
  return {
    raw,
    source: checked.source,
    facts: factsOf(type, checked.source, checked.hash),
    bytes: checked.bytes,
  };
}

/** The report's own budget is what stops it, so the limit of this try becomes its budget. */
function withinLimit(type: ReportType, { micros }: ReportEstimate, maxUsd: number): ReportType {
  if (micros > maxUsd * 1_000_000) {
    throw new FleetError(
      "usage",
      `A "${type.type}" may cost up to ${formatUsd(micros)}, more than --max-usd ${maxUsd}. Nothing was asked; raise the limit to try it.`,
    );
  }
  return { ...type, budget: { usd: Math.min(type.budget.usd, maxUsd) } };
}

function costSentence(type: ReportType, { micros, complete }: ReportEstimate, maxUsd: number): string {
  const stop = formatUsd(Math.round(Math.min(type.budget.usd, maxUsd) * 1_000_000));
  return complete
    ? `Expected to cost at most ${formatUsd(micros)}; it stops at ${stop}.`
    : `No full estimate is known for "${type.type}"; it stops at ${stop}.`;
}

function plainView(type: ReportType, estimate: ReportEstimate, sourceBytes: number) {
  return {
    type: type.type,
    version: type.version,
    title: type.title,
    credits: type.credits,
    budgetMicros: Math.round(type.budget.usd * 1_000_000),
    sourceBytes,
    estimate: { micros: estimate.micros, complete: estimate.complete },
    sections: estimate.sections,
  };
}

function planLines(
  type: ReportType,
  estimate: ReportEstimate,
  bytes: number,
  output: Terminal["output"],
): string[] {
  const budget = formatUsd(Math.round(type.budget.usd * 1_000_000));
  return [
    `${type.type} v${type.version}: ${printable(type.title)}`,
    `Source ${bytes} bytes. Price ${type.credits} credits. ${
      estimate.complete ? `At most ${formatUsd(estimate.micros)} without retries and repairs; ` : ""
    }stops at its budget of ${budget}.`,
    "",
    ...table(estimate.sections, [
      { title: "section", value: (row) => row.key },
      { title: "after", value: (row) => row.after.join(", ") || "-" },
      { title: "model", value: (row) => row.model },
      { title: "calls", value: (row) => (row.calls === 0 ? "?" : `${row.calls}`), align: "right" },
      { title: "tokens in", value: (row) => `${row.inputTokens}`, align: "right" },
      { title: "out", value: (row) => `${row.outputTokens}`, align: "right" },
      { title: "at most", value: (row) => (row.calls === 0 ? "?" : formatUsd(row.micros)), align: "right" },
    ]),
    ...estimate.sections.flatMap((section) => promptLines(section, output)),
  ];
}

function promptLines({ key, prompt, note }: SectionEstimate, output: Terminal["output"]): string[] {
  if (prompt === null) return ["", `${output.paint("bold", `── ${key}`)} ${note ?? ""}`];
  return [
    "",
    `${output.paint("bold", `── ${key}`)}${note === null ? "" : ` ${note}`}`,
    ...prompt.flatMap(({ role, content }) => [
      output.paint("dim", `[${role}]`),
      ...content.split("\n").map((line) => `  ${printable(line)}`),
    ]),
  ];
}

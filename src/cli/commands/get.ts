import { writeFileSync } from "node:fs";
import { Command, Option } from "commander";
import { loadConfig } from "../../config.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import type { ReportId } from "../../domain/ids.ts";
import type { Terminal } from "../command.ts";
import type { Output } from "../output.ts";
import { reportId } from "../options.ts";
import type { Format } from "../../producer/render-artefact.ts";

interface GetOptions {
  format?: Format;
  section?: string;
  output?: string;
}

export function getCommand({ output }: Terminal): Command {
  return new Command("get")
    .summary("read a delivered report, or a finished section before delivery")
    .description(
      "Prints the document of a delivered report. A finished section can be read before that, with --section.",
    )
    .argument("<id>", "the report's id")
    .addOption(
      new Option("--format <format>", "md, html or json (default: md, and json with --json)").choices([
        "md",
        "html",
        "json",
      ]),
    )
    .option("--section <key>", "one section only, as soon as it is finished")
    .option("-o, --output <file>", "write to this file instead of standard output")
    .option("--json", "the same as --format json", false)
    .action(async (given: string, options: GetOptions) => {
      const id = reportId(given);
      const format = options.format ?? (output.json ? "json" : "md");
      const text =
        options.section === undefined
          ? await documentText(output, id, format)
          : await sectionText(output, id, options.section, format);
      if (options.output === undefined) {
        process.stdout.write(text);
        return;
      }
      write(options.output, text);
      if (!output.json) output.talk(`${options.output} written.`);
    });
}

async function documentText(output: Output, id: ReportId, format: Format): Promise<string> {
  const config = loadConfig();
  const { withStore } = await import("../configured.ts");
  const { loadReportTypes } = await import("../../report-types/registry.ts");
  const { readDocument } = await import("../../producer/read-document.ts");
  const { renderArtefact } = await import("../../producer/render-artefact.ts");
  // A document is readable wherever its Redis is, also where its report type cannot be loaded.
  const types = await loadReportTypes(config.reportTypes, process.cwd()).catch(() => null);
  const document = await withStore(config, (store) => readDocument(store, id, (type) => types?.get(type)));
  if (document.stillOpen !== null)
    output.talk(`This is the part that was delivered; the rest is being written. ${document.stillOpen}`);
  return renderArtefact(document, format);
}

async function sectionText(output: Output, id: ReportId, key: string, format: Format): Promise<string> {
  if (format === "html")
    throw new FleetError("usage", "A single section has no HTML document of its own; read it as md or json.");
  const { withStore } = await import("../configured.ts");
  const { readSnapshot, sentenceOf } = await import("../../producer/report-view.ts");
  const { readOutput } = await import("../../store/read-sections.ts");
  return withStore(loadConfig(), async (store) => {
    const snapshot = await readSnapshot(store, id);
    const { report } = snapshot.stored;
    const section = snapshot.sections.find((one) => one.key === key);
    if (section === undefined) {
      const keys = snapshot.sections.map((one) => one.key);
      throw new FleetError(
        "not_found",
        `${id} has no section "${key}". ${keys.length === 0 ? "It is not planned yet." : `It has: ${keys.join(", ")}.`}`,
      );
    }
    if (section.status !== "completed") {
      throw new FleetError(
        "not_deliverable",
        `Section "${key}" of ${id} is ${section.status.replaceAll("_", " ")}. ${sentenceOf(snapshot)} Wait for it: report-fleet watch ${id}.`,
      );
    }
    const read = await readOutput(store, id, key);
    if (!read.ok)
      throw new FleetError("not_deliverable", `Section "${key}" of ${id} cannot be read: ${read.because}.`);
    const delivered = report.status === "completed";
    if (format === "json") {
      const { title, unreviewed } = section;
      return `${JSON.stringify({ id, section: key, title, delivered, unreviewed, output: read.output }, null, 2)}\n`;
    }
    if (!delivered) output.talk(`Not delivered yet: this section may still change. ${sentenceOf(snapshot)}`);
    if (section.unreviewed !== null) output.talk(`Unreviewed: ${section.unreviewed}`);
    return typeof read.output === "string"
      ? `${read.output.trimEnd()}\n`
      : `${JSON.stringify(read.output, null, 2)}\n`;
  });
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FleetError("usage", `${file} cannot be written: ${why}`, { cause });
  }
}

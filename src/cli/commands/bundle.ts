import { writeFileSync } from "node:fs";
import { Command } from "commander";
import { loadConfig } from "../../config.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import type { ReplayedSection } from "../../desk/bundle.ts";
import type { Terminal } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { reportId } from "../options.ts";
import { printable } from "../printable.ts";

export function exportCommand({ output }: Terminal): Command {
  return new Command("export")
    .summary("write a report's source, prompts and raw answers to a file")
    .description(
      "Writes a bundle that `replay` runs offline. It holds the customer's source and the model's answers, and no secret of ours.",
    )
    .argument("<report>", "the report")
    .option("-o, --output <file>", "where to write it; standard output otherwise")
    .option("--json", "print as JSON", false)
    .action(async (given: string, options: { output?: string }) => {
      const { withStore } = await import("../configured.ts");
      const { exportReport } = await import("../../desk/bundle.ts");
      const bundle = await withStore(loadConfig(), (store) => exportReport(store, reportId(given)));
      const text = `${JSON.stringify(bundle, null, 2)}\n`;
      if (options.output === undefined) {
        process.stdout.write(text);
        return;
      }
      try {
        // The customer's own data: for nobody else on this machine.
        writeFileSync(options.output, text, { mode: 0o600 });
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new FleetError("usage", `The bundle cannot be written: ${why}.`, { cause });
      }
      const { output: file } = options;
      output.data({ id: bundle.report.id, file, takes: bundle.takes.length }, () => [
        `${file}: ${bundle.takes.length} answers, ${bundle.cases.length} cases.`,
      ]);
    });
}

export function replayCommand({ output, finish }: Terminal): Command {
  return new Command("replay")
    .summary("walk an exported report with today's code, offline and at zero tokens")
    .description(
      "Judges every stored answer of a bundle by today's report types. Needs no Redis and no provider.",
    )
    .argument("<bundle>", "the file that `export` wrote")
    .option("--json", "print as JSON", false)
    .action(async (file: string) => {
      const { configuredTypes } = await import("../configured.ts");
      const { readInput } = await import("../inputs.ts");
      const { parseBundle, replayBundle } = await import("../../desk/bundle.ts");
      const { types } = await configuredTypes(loadConfig(), null);
      const bundle = parseBundle(await readInput(`@${file}`));
      const sections = await replayBundle(types, bundle);
      const rows = sections.map((one) => ({
        section: one.section,
        was: one.was,
        now: one.walk.outcome,
        note: noteOf(one),
      }));
      output.list(rows, [
        { title: "section", value: ({ section }) => section },
        { title: "was", value: ({ was }) => was },
        { title: "now", value: ({ now }) => now },
        { title: "note", value: ({ note }) => printable(note) },
      ]);
      if (rows.some(({ now }) => now === "failed")) finish(EXIT.needsReview);
    });
}

function noteOf({ walk }: ReplayedSection): string {
  switch (walk.outcome) {
    case "written": {
      const mended = walk.calls.filter(({ outcome }) => outcome === "revalidated").length;
      return mended === 0 ? "as stored" : `${mended} rejected answers pass today's parser`;
    }
    case "failed":
      return walk.failure.message;
    case "would_pay":
      return `would ask ${walk.calls.at(-1)?.callKey ?? "a model"}`;
    case "would_compute":
      return `would compute the step ${walk.step}`;
  }
}

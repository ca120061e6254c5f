/** Decisions about one case, one report or a whole group, each with its dry run. */
import { Command, Option } from "commander";
import { loadConfig } from "../../config.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import type { ReportId } from "../../domain/ids.ts";
import { DEFAULT_PROMPT, PROMPTS, type PromptChoice } from "../../domain/review.ts";
import type { Ruled } from "../../desk/decide-case.ts";
import type { Preview } from "../../desk/preview.ts";
import type { Counter } from "../../producer/submit-report.ts";
import type { GroupAction } from "../../store/operations.ts";
import type { Terminal } from "../command.ts";
import { caseIdFrom, rulingOf, triable, type TriableOptions } from "../decision.ts";
import { reportId } from "../options.ts";
import { printable } from "../printable.ts";
import { decideAll, estimateText, list, onGroups, type GroupOptions } from "./review-groups.ts";

export function resumeCommand(terminal: Terminal): Command {
  return onGroups(decision("resume", "Writes a parked section again; the failed call is asked once more."))
    .addOption(
      new Option("--prompt <which>", "the failed call's own words, or what today's version renders")
        .choices([...PROMPTS])
        .default(DEFAULT_PROMPT),
    )
    .action(async (given: string | undefined, options: GroupOptions & { prompt: PromptChoice }) => {
      const { prompt, dryRun } = options;
      await onCaseOrGroup(terminal, given, options, { action: "resume", prompt }, async (counter, id) => {
        const { previewResume } = await import("../../desk/preview.ts");
        if (dryRun) return previewResume(counter, id, prompt);
        const { resumeCase } = await import("../../desk/decide-case.ts");
        return resumeCase(counter, id, rulingOf(options), prompt);
      });
    });
}

export function revalidateCommand(terminal: Terminal): Command {
  return onGroups(
    decision("revalidate", "Judges the stored raw output by today's parser, at zero tokens."),
  ).action(async (given: string | undefined, options: GroupOptions) => {
    await onCaseOrGroup(terminal, given, options, { action: "revalidate" }, async (counter, id) => {
      const { previewRevalidation } = await import("../../desk/preview.ts");
      if (options.dryRun) return previewRevalidation(counter, id);
      const { revalidateCase } = await import("../../desk/decide-case.ts");
      return revalidateCase(counter, id, rulingOf(options));
    });
  });
}

export function skipCommand(terminal: Terminal): Command {
  return onGroups(
    decision(
      "skip",
      "Goes on without a section, and without those that need it; the buyer pays for the rest.",
    ),
  ).action(async (given: string | undefined, options: GroupOptions) => {
    await onCaseOrGroup(terminal, given, options, { action: "skip_section" }, async (counter, id) => {
      const { previewSkip } = await import("../../desk/preview.ts");
      if (options.dryRun) return previewSkip(counter, id);
      const { skipSection } = await import("../../desk/decide-case.ts");
      return skipSection(counter, id, rulingOf(options));
    });
  });
}

export function acceptCommand(terminal: Terminal): Command {
  return triable(new Command("accept"))
    .description(
      "Takes an output a person wrote, checked by the section's contract; the report says it was edited.",
    )
    .argument("<case>", "a case, or a report with one open case")
    .requiredOption("--output <output>", "the section's output: @file, - for standard input, or JSON")
    .option("--json", "print as JSON", false)
    .action(async (given: string, options: TriableOptions & { output: string }) => {
      const { withCounter } = await import("../configured.ts");
      const { readInput } = await import("../inputs.ts");
      const edited = await readInput(options.output);
      await withCounter(loadConfig(), async (counter) => {
        const id = await caseIdFrom(counter.store, given);
        const { previewAccepted } = await import("../../desk/preview.ts");
        const { acceptEdited } = await import("../../desk/decide-case.ts");
        say(
          terminal,
          options.dryRun
            ? await previewAccepted(counter, id, edited)
            : await acceptEdited(counter, id, edited, rulingOf(options)),
        );
      });
    });
}

export function correctCommand(terminal: Terminal): Command {
  return triable(new Command("correct"))
    .description("Gives a report corrected data; only what it changes is paid again.")
    .argument("<report>", "the report")
    .requiredOption("--input <source>", "the whole corrected source: @file.json, - or JSON")
    .option("--json", "print as JSON", false)
    .action(async (given: string, options: TriableOptions & { input: string }) => {
      const { withCounter } = await import("../configured.ts");
      const { readInput } = await import("../inputs.ts");
      const source = await readInput(options.input);
      await withCounter(loadConfig(), async (counter) => {
        const id = reportId(given);
        const { previewCorrection } = await import("../../desk/preview.ts");
        const { correctSource } = await import("../../desk/correct-source.ts");
        say(
          terminal,
          options.dryRun
            ? await previewCorrection(counter, id, source)
            : await correctSource(counter, id, source, rulingOf(options)),
        );
      });
    });
}

export function partialCommand(terminal: Terminal): Command {
  return onGroups(
    decision(
      "partial",
      "Delivers the finished sections for their share of the price; the rest of the credits goes back.",
    ),
  ).action(async (given: string | undefined, options: GroupOptions) => {
    await onReportOrGroup(terminal, given, options, "deliver_partial", async (counter, id) => {
      const { previewPartial } = await import("../../desk/preview.ts");
      const { deliverPartial } = await import("../../desk/deliver-partial.ts");
      say(
        terminal,
        options.dryRun
          ? await previewPartial(counter, id)
          : await deliverPartial(counter, id, rulingOf(options)),
      );
    });
  });
}

export function rejectCommand(terminal: Terminal): Command {
  return onGroups(decision("reject", "Gives a parked report up; its credits go back.")).action(
    async (given: string | undefined, options: GroupOptions) => {
      await onReportOrGroup(terminal, given, options, "reject", async (counter, id) => {
        const { previewReject } = await import("../../desk/preview.ts");
        if (options.dryRun) return say(terminal, await previewReject(counter, id));
        const { rejectReport } = await import("../../desk/end-by-person.ts");
        const ended = await rejectReport(counter, id, rulingOf(options));
        return terminal.output.data(ended, () => [`${id} is rejected; its credits were returned.`]);
      });
    },
  );
}

function decision(name: string, description: string): Command {
  return triable(new Command(name))
    .description(description)
    .argument("[case]", "a case, or a report with one open case")
    .option("--json", "print as JSON", false);
}

async function onCaseOrGroup(
  terminal: Terminal,
  given: string | undefined,
  options: GroupOptions,
  asked: { action: GroupAction; prompt?: PromptChoice },
  one: (counter: Counter, caseId: string) => Promise<Ruled | Preview>,
): Promise<void> {
  const { withCounter } = await import("../configured.ts");
  await withCounter(loadConfig(), async (counter) => {
    if (options.group !== undefined) return decideAll(terminal, counter, given, options, asked);
    if (given === undefined) throw new FleetError("usage", "Name a case, a report, or --group.");
    say(terminal, await one(counter, await caseIdFrom(counter.store, given)));
  });
}

async function onReportOrGroup(
  terminal: Terminal,
  given: string | undefined,
  options: GroupOptions,
  action: GroupAction,
  one: (counter: Counter, id: ReportId) => Promise<void>,
): Promise<void> {
  const { withCounter } = await import("../configured.ts");
  await withCounter(loadConfig(), async (counter) => {
    if (options.group !== undefined) return decideAll(terminal, counter, given, options, { action });
    if (given === undefined) throw new FleetError("usage", "Name a report, or --group.");
    await one(counter, reportId(given.split(".")[0] ?? given));
  });
}

function say({ output }: Terminal, result: Ruled | Preview): void {
  if ("run" in result) {
    output.data(result, () => [`${result.report}: ${result.action} done, run ${result.run}.`]);
    output.talk(`Follow it with: report-fleet watch ${result.report}`);
    return;
  }
  output.data(result, () => [
    result.possible ? "Possible. Nothing was changed." : `Not possible: ${printable(result.because)}`,
    `Sections kept          ${list(result.keptSections)}`,
    `Sections still open    ${list(result.openSections)}`,
    `Sections left out      ${list(result.skippedSections)}`,
    `Calls reused           ${list(result.reusedCalls)}`,
    `Calls validated again  ${list(result.revalidatedCalls)}`,
    `Calls paid             ${list(result.paidCalls.map(({ call }) => call))}`,
    `Estimate               ${estimateText(result)}`,
    `Credits                ${result.creditEffect}`,
  ]);
}

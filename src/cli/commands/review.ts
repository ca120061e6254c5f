import { Command, Option } from "commander";
import { loadConfig } from "../../config.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import { formatUsd, formatWait, type ReportId } from "../../domain/ids.ts";
import {
  actionsFor,
  DEFAULT_PROMPT,
  PROMPTS,
  type PromptChoice,
  type ReviewCase,
} from "../../domain/review.ts";
import type { Ruled } from "../../desk/decide-case.ts";
import type { Preview } from "../../desk/preview.ts";
import type { Counter } from "../../producer/submit-report.ts";
import type { CaseGroup } from "../../store/case-groups.ts";
import type { GroupAction } from "../../store/operations.ts";
import type { Terminal } from "../command.ts";
import { caseIdFrom, rulingOf, triable, type TriableOptions } from "../decision.ts";
import { account, reportId, wholeNumber } from "../options.ts";
import { printable } from "../printable.ts";
import {
  decideAll,
  estimateText,
  list,
  onGroups,
  operationCommand,
  type GroupOptions,
} from "./review-groups.ts";

const MOST_ROWS = 1_000;
const ROWS = 50;

export function reviewCommand(terminal: Terminal): Command {
  const commands = [
    lsCommand,
    groupsCommand,
    showCommand,
    noteCommand,
    resumeCommand,
    revalidateCommand,
    acceptCommand,
    correctCommand,
    skipCommand,
    partialCommand,
    rejectCommand,
    operationCommand,
  ];
  const review = new Command("review")
    .summary("read parked failures and decide about them")
    .description("Reads parked failures and decides about them. Whatever decides names who and why.");
  for (const declare of commands) review.addCommand(declare(terminal));
  return review;
}

function lsCommand({ output }: Terminal): Command {
  return new Command("ls")
    .description("Lists open review cases, the oldest first.")
    .option("--group <group>", "only cases of this group")
    .addOption(new Option("--account <account>", "only cases of this account").argParser(account))
    .addOption(limitOption())
    .addOption(
      new Option("--offset <n>", "how many to pass over").default(0).argParser(wholeNumber(0, 1_000_000)),
    )
    .option("--json", "print as JSON", false)
    .action(async (options: { group?: string; account?: string; limit: number; offset: number }) => {
      const { withStore } = await import("../configured.ts");
      const { listCases } = await import("../../store/cases.ts");
      const cases = await withStore(loadConfig(), (store) => listCases(store, options));
      const now = Date.now();
      output.list(cases, [
        { title: "case", value: ({ id }) => id },
        { title: "kind", value: ({ failure }) => `${failure.kind}/${failure.code}` },
        { title: "age", value: ({ openedAt }) => formatWait(Math.max(0, now - openedAt)), align: "right" },
        { title: "spent", value: ({ spentMicros }) => formatUsd(spentMicros), align: "right" },
        { title: "failure", value: ({ failure }) => printable(failure.message).slice(0, 80) },
      ]);
    });
}

function groupsCommand({ output }: Terminal): Command {
  return new Command("groups")
    .description("Lists groups of equal failures with the money at stake, the latest first.")
    .addOption(limitOption())
    .option("--json", "print as JSON", false)
    .action(async ({ limit }: { limit: number }) => {
      const { withStore } = await import("../configured.ts");
      const { listGroups } = await import("../../store/case-groups.ts");
      const groups = await withStore(loadConfig(), (store) => listGroups(store, { limit }));
      const now = Date.now();
      const ago = (at: number) => formatWait(Math.max(0, now - at));
      output.list<CaseGroup>(groups, [
        { title: "group", value: ({ group }) => group },
        { title: "open", value: ({ open }) => String(open), align: "right" },
        { title: "seen", value: ({ seen }) => String(seen), align: "right" },
        { title: "first", value: ({ firstSeen }) => ago(firstSeen), align: "right" },
        { title: "last", value: ({ lastSeen }) => ago(lastSeen), align: "right" },
        { title: "held", value: ({ creditsHeld }) => String(creditsHeld), align: "right" },
        { title: "spent", value: ({ spentMicros }) => formatUsd(spentMicros), align: "right" },
        { title: "failure", value: ({ failure }) => printable(failure.message).slice(0, 60) },
      ]);
    });
}

function showCommand({ output }: Terminal): Command {
  return new Command("show")
    .description("Shows a case: what was asked, what came back, what it cost, and what may be done.")
    .argument("<case>", "a case, or a report with one open case")
    .option("--prompt", "print the prompt as it was asked", false)
    .option("--json", "print as JSON", false)
    .action(async (given: string, options: { prompt: boolean }) => {
      const { withStore } = await import("../configured.ts");
      const { requireCase } = await import("../../desk/decide-case.ts");
      const { requireReport } = await import("../../desk/material.ts");
      const { readNotes, readQuestion } = await import("../../store/cases.ts");
      const { readAnswer } = await import("../../store/takes.ts");
      await withStore(loadConfig(), async (store) => {
        const found = await requireCase({ store }, await caseIdFrom(store, given));
        const { report } = await requireReport(store, found.report);
        const { callKey, take } = found.evidence;
        const answer =
          callKey === null || take === null ? null : await readAnswer(store, found.report, callKey, take);
        const question = await readQuestion(store, found.id);
        const notes = await readNotes(store, found.id);
        const actions = found.state.status === "open" ? actionsFor(found, report.status) : [];
        const credits = { amount: report.credits, state: report.hold };
        const rawOutput = answer?.text ?? null;
        const { spend } = report;
        output.data({ ...found, credits, spend, rawOutput, question, notes, actions }, () => [
          ...caseLines(found),
          `Credits   ${credits.amount} ${credits.state}`,
          `Spend     useful ${formatUsd(spend.useful)}, wasted ${formatUsd(spend.wasted)}, not settled ${formatUsd(spend.pending)}`,
          ...notes.map(({ by, text }) => `Note      ${by}: ${printable(text)}`),
          `Possible  ${actions.length === 0 ? "nothing more" : actions.join(", ")}`,
          ...(options.prompt
            ? (question?.messages ?? []).flatMap(({ role, content }) => ["", `--- ${role}`, content])
            : []),
          ...(rawOutput === null ? [] : ["", "--- raw output", rawOutput === "" ? "(empty)" : rawOutput]),
        ]);
      });
    });
}

function noteCommand({ output }: Terminal): Command {
  return new Command("note")
    .description("Adds a note to a case.")
    .argument("<case>", "a case, or a report with one open case")
    .argument("<text>", "what the next reviewer should know")
    .requiredOption("--by <name>", "who writes it")
    .option("--json", "print as JSON", false)
    .action(async (given: string, text: string, { by }: { by: string }) => {
      const { withStore } = await import("../configured.ts");
      const { addNote } = await import("../../store/cases.ts");
      await withStore(loadConfig(), async (store) => {
        const id = await caseIdFrom(store, given);
        const outcome = await addNote(store, id, { by, text: text.slice(0, 2_000) });
        if (outcome === "missing") throw new FleetError("not_found", `There is no review case ${id}.`);
        if (outcome === "full")
          throw new FleetError("not_allowed", `Case ${id} has as many notes as it can hold.`);
        output.data({ case: id, by, text }, () => [`Noted on ${id}.`]);
      });
    });
}

function resumeCommand(terminal: Terminal): Command {
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

function revalidateCommand(terminal: Terminal): Command {
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

function skipCommand(terminal: Terminal): Command {
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

function acceptCommand(terminal: Terminal): Command {
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

function correctCommand(terminal: Terminal): Command {
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

function partialCommand(terminal: Terminal): Command {
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

function rejectCommand(terminal: Terminal): Command {
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

function caseLines(found: ReviewCase): string[] {
  const { failure, evidence, attempts, state } = found;
  const since = new Date(found.openedAt).toISOString();
  return [
    `Case      ${found.id} (version ${found.version}, ${state.status})`,
    `Report    ${found.report}, ${found.type} version ${found.typeVersion}, run ${found.run}`,
    `Section   ${found.section ?? "none: the report itself"}`,
    `Failure   ${failure.kind}/${failure.code}: ${printable(failure.message)}`,
    `Rule      ${failure.rule}`,
    `Group     ${found.group}`,
    `Call      ${evidence.callKey === null ? "none" : `${evidence.callKey}, take ${evidence.take ?? "-"}, prompt version ${evidence.promptVersion ?? "-"}, model ${evidence.model ?? "-"}`}`,
    ...(evidence.path === null ? [] : [`Path      ${printable(evidence.path)}`]),
    `Attempts  ${attempts.transient} transient, ${attempts.repair} repair, ${attempts.crash} crash`,
    `Opened    ${since}, ${formatUsd(found.spentMicros)} spent until then`,
    ...(state.status === "resolved"
      ? [`Resolved  ${state.action} by ${state.by}: ${printable(state.why)}`]
      : []),
  ];
}

function limitOption(): Option {
  return new Option("--limit <n>", "at most so many").default(ROWS).argParser(wholeNumber(1, MOST_ROWS));
}

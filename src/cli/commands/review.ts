import { Command, Option } from "commander";
import { loadConfig } from "../../config.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import { formatUsd, formatWait } from "../../domain/ids.ts";
import type { ReviewCase } from "../../domain/review.ts";
import type { CaseGroup } from "../../store/case-groups.ts";
import type { Terminal } from "../command.ts";
import { caseIdFrom } from "../decision.ts";
import { account, wholeNumber } from "../options.ts";
import { printable } from "../printable.ts";
import {
  acceptCommand,
  correctCommand,
  partialCommand,
  rejectCommand,
  resumeCommand,
  revalidateCommand,
  skipCommand,
} from "./review-decisions.ts";
import { operationCommand } from "./review-groups.ts";

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
      const { possibleActions } = await import("../../desk/possible-actions.ts");
      const { readSections } = await import("../../store/reports.ts");
      const { readNotes, readQuestion } = await import("../../store/cases.ts");
      const { readAnswer } = await import("../../store/takes.ts");
      await withStore(loadConfig(), async (store) => {
        const found = await requireCase({ store }, await caseIdFrom(store, given));
        const { report, plan } = await requireReport(store, found.report);
        const sections = await readSections(store, found.report, plan ?? []);
        const { callKey, take } = found.evidence;
        const answer =
          callKey === null || take === null ? null : await readAnswer(store, found.report, callKey, take);
        const question = await readQuestion(store, found.id);
        const notes = await readNotes(store, found.id);
        const actions = possibleActions(found, report.status, sections);
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

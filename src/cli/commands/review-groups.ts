/** The same trouble many times over, decided once: the options, the dry run and the operation that carries it out. */
import { randomUUID } from "node:crypto";
import { Command, Option } from "commander";
import { loadConfig } from "../../config.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import { formatUsd } from "../../domain/ids.ts";
import { DEFAULT_PROMPT, type PromptChoice } from "../../domain/review.ts";
import type { Preview } from "../../desk/preview.ts";
import type { GroupPreview } from "../../desk/preview-group.ts";
import type { Counter } from "../../producer/submit-report.ts";
import type { GroupAction, Operation } from "../../store/operations.ts";
import type { Terminal } from "../command.ts";
import { rulingOf, type TriableOptions } from "../decision.ts";
import { usd, wholeNumber } from "../options.ts";
import { printable } from "../printable.ts";

export interface GroupOptions extends TriableOptions {
  group?: string;
  canary: number;
  perSweep: number;
  maxUsd?: number;
}

export function onGroups(command: Command): Command {
  return command
    .option("--group <group>", "decide for every open case of this group instead")
    .addOption(
      new Option("--canary <n>", "with --group: so many first, the rest only if they get through")
        .default(1)
        .argParser(wholeNumber(0, 100)),
    )
    .addOption(
      new Option("--per-sweep <n>", "with --group: how many are decided at a time, about once a second")
        .default(5)
        .argParser(wholeNumber(1, 100)),
    )
    .addOption(
      new Option("--max-usd <usd>", "with --group: stop once its reports have spent this").argParser(usd),
    );
}

export async function decideAll(
  { output }: Terminal,
  counter: Counter,
  given: string | undefined,
  options: GroupOptions,
  { action, prompt = DEFAULT_PROMPT }: { action: GroupAction; prompt?: PromptChoice },
): Promise<void> {
  if (given !== undefined) throw new FleetError("usage", "Name a case or --group, not both.");
  const { group = "", maxUsd, canary, perSweep } = options;
  const maxMicros = maxUsd === undefined ? null : Math.round(maxUsd * 1_000_000);
  if (options.dryRun) {
    const { previewGroup } = await import("../../desk/preview-group.ts");
    const preview = await previewGroup(counter, { group, action, prompt, canary, maxMicros });
    output.data(preview, () => groupPreviewLines(preview));
    return;
  }
  const { decideGroup } = await import("../../desk/group-operation.ts");
  const { operation: id = `op-${randomUUID().slice(0, 8)}`, by, why } = rulingOf(options);
  const operation = await decideGroup(counter, {
    id,
    action,
    group,
    prompt,
    maxMicros,
    canary,
    perSweep,
    by,
    why,
  });
  output.data(operation, () => operationLines(operation));
  output.talk(
    `The orchestrator carries it out. Follow it with: report-fleet review operation ${operation.id}`,
  );
}

export function operationCommand({ output }: Terminal): Command {
  return new Command("operation")
    .description("Shows a group action, or stops it; what it has decided stays decided.")
    .argument("<operation>", "the id that the group action printed")
    .option("--stop", "decide no further case", false)
    .option("--by <name>", "who stops it")
    .option("--reason <text>", "why it is stopped", "")
    .option("--json", "print as JSON", false)
    .action(async (id: string, options: { stop: boolean; by?: string; reason: string }) => {
      const { withStore } = await import("../configured.ts");
      const { requireOperation, stopOperation } = await import("../../desk/group-operation.ts");
      const { stop, by, reason } = options;
      if (stop && by === undefined) throw new FleetError("usage", "--stop needs --by: somebody stops it.");
      const operation = await withStore(loadConfig(), (store) =>
        stop ? stopOperation({ store }, id, { by: by ?? "", why: reason }) : requireOperation({ store }, id),
      );
      output.data(operation, () => operationLines(operation));
    });
}

function operationLines(operation: Operation): string[] {
  const { waiting, underWay, through, parkedAgain, refused, spentMicros } = operation.progress;
  const refusals = operation.cases.flatMap((one) =>
    one.state === "refused" ? [`  ${one.id} refused: ${printable(one.because)}`] : [],
  );
  return [
    `${operation.id} ${operation.action} ${operation.status}${operation.because === "" ? "" : `: ${operation.because}`}`,
    `  ${through} through, ${underWay} under way, ${parkedAgain} parked again, ${waiting} waiting, ${refused} refused; ${formatUsd(spentMicros)} spent`,
    ...refusals.slice(0, 20),
  ];
}

/** The same reason is told once, with how many it holds up and one of them to look at. */
function groupPreviewLines(preview: GroupPreview): string[] {
  const { eligible, cases, beyond, notEligible } = preview;
  const reasons = Map.groupBy(notEligible, ({ because }) => because);
  return [
    `${eligible} of ${cases} cases would be decided (${preview.action}). Nothing was changed.`,
    ...(beyond > 0 ? [`  ${beyond} more are open and wait for a further operation`] : []),
    ...[...reasons].map(
      ([because, some]) => `  ${some.length} not, such as ${some[0]?.id ?? ""}: ${printable(because)}`,
    ),
    ...(eligible === 0 ? [] : sumLines(preview)),
  ];
}

function sumLines(preview: GroupPreview): string[] {
  const { eligible, canaries, notEstimated, cap } = preview;
  return [
    `Canary                 ${list(canaries)}`,
    `Sections               ${preview.keptSections} kept, ${preview.openSections} still open, ${preview.skippedSections} left out`,
    `Calls                  ${preview.reusedCalls} reused, ${preview.revalidatedCalls} validated again, ${preview.paidCalls} paid`,
    `Estimate               ${estimateText(preview)}${notEstimated > 0 && notEstimated < eligible ? `; nothing is known of ${notEstimated}` : ""}`,
    ...(cap === null
      ? []
      : [
          `Cap                    ${formatUsd(cap.maxMicros)}: ${cap.fits ? "the estimate is within it" : "the estimate is above it, so the operation would stop on the way"}`,
        ]),
    `Credits                ${preview.creditEffect}`,
  ];
}

export function estimateText(preview: Pick<Preview, "estimateMicros" | "atMostMicros">): string {
  const { estimateMicros, atMostMicros } = preview;
  const estimate = estimateMicros === null ? "not known before it is asked" : formatUsd(estimateMicros);
  return `${estimate}, at most ${formatUsd(atMostMicros)}`;
}

export function list(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.join(", ");
}

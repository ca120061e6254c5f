import { Command, InvalidArgumentError } from "commander";
import { loadConfig } from "../../config.ts";
import {
  BREAKER_CAUSE_WORDS,
  BREAKER_WORDS,
  openingReason,
  type BreakerState,
  type CastVote,
} from "../../domain/breaker.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import { formatUsd, formatWait, type EpochMs } from "../../domain/ids.ts";
import type { BreakerRecord, BreakerTurn } from "../../store/read-breakers.ts";
import type { Store } from "../../store/redis.ts";
import type { Terminal } from "../command.ts";
import { table } from "../output.ts";
import { printable } from "../printable.ts";

const LONGEST_NAME = 100;
const LONGEST_REASON = 500;
const HISTORY_ROWS = 20;

interface Decision {
  by: string;
  reason: string;
}

export function showTypeCommand({ output }: Terminal): Command {
  return new Command("show")
    .description(
      "Shows whether a type is stopped: why, by whom, what it cost, who waits, and what was before.",
    )
    .argument("<type>", "the report type")
    .option("--json", "print as JSON", false)
    .action(async (type: string) => {
      const { withStore } = await import("../configured.ts");
      const { readBreaker, readBreakerHistory, spentInVain } = await import("../../store/read-breakers.ts");
      await withStore(loadConfig(), async (store) => {
        await checkKnown(store, type);
        const record = await readBreaker(store, type);
        const history = await readBreakerHistory(store, type, HISTORY_ROWS);
        const { breaker } = record;
        const votes = breaker.state === "closed" ? breaker.votes : (breaker.opening?.votes ?? []);
        const burntMicros = await spentInVain(
          store,
          votes.map(({ report }) => report),
        );
        const { version, state } = breaker;
        const { since, settings, waiting } = record;
        const opening = breaker.state === "closed" ? null : breaker.opening;
        const canaries = breaker.state === "half_open" ? breaker.probes.map(({ report }) => report) : [];
        output.data(
          { type, state, since, version, waiting, burntMicros, settings, opening, votes, canaries, history },
          () => showLines(type, record, votes, burntMicros, history),
        );
      });
    });
}

export function disableTypeCommand({ output }: Terminal): Command {
  return deciding("disable")
    .description(
      "Stops a type: no call of it begins anywhere. Its reports wait with what they have; no deploy starts it again, only `enable`.",
    )
    .action(async (type: string, decision: Decision) => {
      const { outcome, record } = await turn(type, "open", decision);
      output.data({ type, state: "open", ...decision, waiting: record.waiting }, () => [
        outcome === "turned" ? `${type} is stopped.` : `${type} was stopped by a person before.`,
      ]);
      output.talk(
        `Start it again with: report-fleet types enable ${type} --by ${decision.by} --reason "..."`,
      );
    });
}

export function enableTypeCommand({ output }: Terminal): Command {
  return deciding("enable")
    .description("Starts a stopped type again. The reports that waited go on by themselves, a few at a time.")
    .option(
      "--canary",
      "first with as many reports as the type has places for; their delivery starts the rest",
      false,
    )
    .action(async (type: string, { canary, ...decision }: Decision & { canary: boolean }) => {
      const { by, reason } = decision;
      const { outcome, record } = await turn(type, canary ? "half_open" : "closed", { by, reason });
      const { state } = record.breaker;
      output.data({ type, state, by, reason, waiting: record.waiting }, () => [
        outcome === "already"
          ? `${type} is ${BREAKER_WORDS[state]} already.`
          : `${type} is ${BREAKER_WORDS[state]}.`,
      ]);
      if (record.waiting > 0) output.talk(`${reports(record.waiting)} waited for it.`);
    });
}

/** What a person decides has a name and a reason, and both are kept for good. */
function deciding(name: string): Command {
  return new Command(name)
    .argument("<type>", "the report type")
    .requiredOption("--by <name>", "who decides it", words(LONGEST_NAME))
    .requiredOption(
      "--reason <text>",
      "why; kept with the history and shown to who orders",
      words(LONGEST_REASON),
    )
    .option("--json", "print the result as JSON", false);
}

function words(most: number): (text: string) => string {
  return (text) => {
    const said = printable(text).trim();
    if (said === "" || said.length > most)
      throw new InvalidArgumentError(`Expected a text of 1 to ${most} characters.`);
    return said;
  };
}

async function turn(type: string, to: BreakerState, { by, reason }: Decision) {
  const { withStore } = await import("../configured.ts");
  const { turnBreaker } = await import("../../store/breakers.ts");
  const { readBreaker } = await import("../../store/read-breakers.ts");
  return withStore(loadConfig(), async (store) => {
    await checkKnown(store, type);
    const outcome = await turnBreaker(store, type, { to, by, reason });
    return { outcome, record: await readBreaker(store, type) };
  });
}

/** A slip of the pen must not stop a type that nobody has, and leave the other one running. */
async function checkKnown(store: Store, type: string): Promise<void> {
  const { listBreakers } = await import("../../store/read-breakers.ts");
  const { closestName } = await import("../../report-types/closest-name.ts");
  const known = await listBreakers(store);
  if (known.includes(type)) return;
  const meant = closestName(type, known);
  throw new FleetError(
    "unknown_type",
    `No process of this fleet has announced a report type "${type}"${meant === undefined ? "." : `; did you mean "${meant}"?`} ` +
      `Known: ${known.length > 0 ? known.join(", ") : "none yet, start a worker first"}.`,
  );
}

function showLines(
  type: string,
  { breaker, since, settings, waiting }: BreakerRecord,
  votes: readonly CastVote[],
  burntMicros: number,
  history: readonly BreakerTurn[],
): string[] {
  const lines = [
    `${type} is ${BREAKER_WORDS[breaker.state]}${since === null ? "" : ` since ${time(since)}`}, newest version ${breaker.version}.`,
  ];
  const opening = breaker.state === "closed" ? null : breaker.opening;
  if (opening !== null) {
    lines.push(`  why      ${printable(openingReason(opening))}`);
    lines.push(`  by       ${opening.by === null ? "its own failures" : printable(opening.by)}`);
  }
  if (votes.length > 0)
    lines.push(`  cost     ${formatUsd(burntMicros)} in vain, by the reports that failed`);
  if (breaker.state === "half_open")
    lines.push(
      `  canaries ${breaker.probes.map(({ report }) => report).join(", ") || "none under way"}; ${breaker.delivered} of ${settings.probes} delivered`,
    );
  if (breaker.state !== "closed" || waiting > 0) lines.push(`  waiting  ${reports(waiting)}`);
  const unless = settings.successResets ? " and no success of the section meanwhile" : "";
  const orders = settings.whenOpen === "hold" ? "held" : "refused";
  lines.push(
    `  rule     stops at ${settings.threshold} failed sections within ${formatWait(settings.windowMs)}${unless}; then orders are ${orders}`,
  );
  if (votes.length > 0) lines.push("", ...table(votes, VOTE_COLUMNS));
  if (history.length > 0) lines.push("", ...table(history, HISTORY_COLUMNS));
  return lines;
}

const VOTE_COLUMNS = [
  { title: "failed", value: (vote: CastVote) => time(vote.at) },
  { title: "report", value: (vote: CastVote) => vote.report },
  { title: "section", value: (vote: CastVote) => vote.section },
  { title: "version", value: (vote: CastVote) => String(vote.version), align: "right" as const },
  { title: "failure", value: (vote: CastVote) => `${vote.failure.kind}/${vote.failure.code}` },
  { title: "fingerprint", value: (vote: CastVote) => vote.failure.fingerprint },
];

const HISTORY_COLUMNS = [
  { title: "when", value: (row: BreakerTurn) => time(row.at) },
  { title: "from", value: (row: BreakerTurn) => BREAKER_WORDS[row.from] },
  { title: "to", value: (row: BreakerTurn) => BREAKER_WORDS[row.to] },
  { title: "version", value: (row: BreakerTurn) => String(row.version), align: "right" as const },
  { title: "by", value: (row: BreakerTurn) => printable(row.by ?? "-") },
  { title: "why", value: (row: BreakerTurn) => printable(row.reason ?? BREAKER_CAUSE_WORDS[row.cause]) },
];

function time(at: EpochMs): string {
  return `${new Date(at).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

function reports(many: number): string {
  return `${many} report${many === 1 ? "" : "s"}`;
}
